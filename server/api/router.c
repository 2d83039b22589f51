#include "server/api/router.h"

#include "server/api/exchange.h"

#include <string.h>

/* One "extern const ApiRoute api_ep_<name>;" for each file ep-<name>.c, and the table of them. */
#define API_ROUTE(name) extern const ApiRoute api_ep_##name;
#include "server/api/routes.inc"
#undef API_ROUTE

static const ApiRoute *const routes[] = {
#define API_ROUTE(name) &api_ep_##name,
#include "server/api/routes.inc"
#undef API_ROUTE
};

#define API_PREFIX     "/v1/"
#define API_IN_NETWORK "networks/"

Api *api_router_new(const ApiConfig *config)
{
    Api *self = g_new0(Api, 1);

    self->config = *config;
    self->core = config->core;
    self->auth = api_auth_new();
    return self;
}

void api_router_free(Api *self)
{
    if (self == NULL)
        return;
    api_auth_free(self->auth);
    g_free(self);
}

void api_router_detach(Api *self)
{
    self->core = NULL;
}

/* "<id>/<name>" → the id into @out_id and the name. NULL: malformed id, or no name. */
static const char *split_network(const char *rest, MeshNetworkId *out_id)
{
    const char *slash = strchr(rest, '/');
    char        text[MESH_NETWORK_ID_TEXT_SIZE];

    if (slash == NULL || (size_t)(slash - rest) != sizeof(text) - 1)
        return NULL;
    memcpy(text, rest, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    return mesh_network_parse_id(text, out_id) ? slash + 1 : NULL;
}

static const ApiRoute *find_route(ApiExchange *self, MeshErrorCode *out_code)
{
    const char *rest = self->head->path;
    bool        in_network;

    *out_code = MESH_ERROR_NOT_FOUND;
    if (strncmp(rest, API_PREFIX, strlen(API_PREFIX)) != 0)
        return NULL;
    rest += strlen(API_PREFIX);
    in_network = strncmp(rest, API_IN_NETWORK, strlen(API_IN_NETWORK)) == 0;
    if (in_network)
        rest = split_network(rest + strlen(API_IN_NETWORK), &self->caller.network);
    for (size_t i = 0; rest != NULL && i < G_N_ELEMENTS(routes); i++) {
        if (routes[i]->in_network != in_network || strcmp(routes[i]->name, rest) != 0 ||
            (self->api->config.core == NULL && !routes[i]->alone))
            continue;
        if (strcmp(routes[i]->method, self->head->method) == 0)
            return routes[i];
        *out_code = MESH_ERROR_METHOD;
    }
    return NULL;
}

bool api_router_find(ApiExchange *self)
{
    g_autofree char *message = NULL;
    MeshErrorCode    code;

    memset(&self->caller, 0, sizeof(self->caller));
    self->route = find_route(self, &code);
    if (self->route != NULL)
        return true;
    if (code == MESH_ERROR_METHOD)
        message =
            g_strdup_printf("%s is not done here with %s", self->head->path, self->head->method);
    else
        message = g_strdup_printf("there is no %s here", self->head->path);
    api_exchange_fail(self, code, message, NULL);
    return false;
}
