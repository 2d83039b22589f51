#include "daemon/dns/resolvconf.h"

#include <string.h>

#define BEGIN  "# meshd: begin; names of mesh networks, see meshd(8)\n"
#define END    "# meshd: end\n"
#define WAS    "# meshd: was: " /* the line it replaces; ours is the next */
#define ROTATE "rotate"

static bool is_word(const char *line, const char *word)
{
    size_t len = strlen(word);

    line += strspn(line, " \t");
    return strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\t');
}

/* With "rotate" the C library asks a server that does not know our names every other time. */
static char *without_rotate(const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
    GString *text = g_string_new(NULL);
    bool     found = false;

    for (char **word = words; *word != NULL; word++) {
        if (strcmp(*word, ROTATE) == 0)
            found = true;
        else if (**word != '\0')
            g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", *word);
    }
    return g_string_free(text, !found);
}

/* One line of the file before; @len without its end. */
static void add_line(GString *out, const char *line, size_t len)
{
    g_autofree char *copy = g_strndup(line, len);
    g_autofree char *changed = is_word(copy, "options") ? without_rotate(copy) : NULL;

    if (changed != NULL)
        g_string_append_printf(out, WAS "%s\n%s", copy, changed);
    else
        g_string_append(out, copy);
}

static bool has_server(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++)
        if (is_word(*line, "nameserver"))
            return true;
    return false;
}

char *dns_resolvconf_make(const char *text, const MeshAddr *servers, size_t n_servers)
{
    GString *out = g_string_new(BEGIN);
    char     addr[MESH_IP_ADDR_TEXT_SIZE];

    for (size_t i = 0; i < MIN(n_servers, DNS_RESOLVCONF_MAX_OURS); i++)
        g_string_append_printf(out, "nameserver %s\n", mesh_ip_format_addr(&servers[i], addr));
    if (!has_server(text)) /* what an empty file means */
        g_string_append(out, "nameserver 127.0.0.1\n");
    g_string_append(out, END);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        add_line(out, text, len);
        text += len;
        if (*text == '\n') {
            g_string_append_c(out, '\n');
            text++;
        }
    }
    return g_string_free(out, false);
}

bool dns_resolvconf_has(const char *text, const MeshAddr *servers, size_t n_servers)
{
    GString *block = g_string_new(BEGIN);
    char     addr[MESH_IP_ADDR_TEXT_SIZE];
    size_t   n_lines = 0;
    bool     has = strstr(text, BEGIN) == NULL;

    for (; n_lines < n_servers; n_lines++)
        g_string_append_printf(block, "nameserver %s\n",
                               mesh_ip_format_addr(&servers[n_lines], addr));
    if (n_servers > 0)
        has = g_str_has_prefix(text, block->str);
    g_string_free(block, true);
    return has;
}

char *dns_resolvconf_strip(const char *text)
{
    const char *begin = strstr(text, BEGIN);
    const char *end = begin != NULL ? strstr(begin, END) : NULL;
    GString    *out;

    if (end == NULL)
        return NULL;
    out = g_string_new_len(text, begin - text);
    for (const char *at = end + strlen(END); *at != '\0';) {
        size_t len = strcspn(at, "\n");

        if (g_str_has_prefix(at, WAS)) {
            g_string_append_len(out, at + strlen(WAS), (gssize)(len - strlen(WAS)));
            at += len + (at[len] == '\n');
            len = strcspn(at, "\n"); /* ours */
        } else {
            g_string_append_len(out, at, (gssize)len);
        }
        at += len;
        if (*at == '\n') {
            g_string_append_c(out, '\n');
            at++;
        }
    }
    return g_string_free(out, false);
}

bool dns_resolvconf_is_resolved(const char *text, const char *target)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    if (target != NULL && strstr(target, "systemd/resolve/") != NULL)
        return true;
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 2);

        if (words[0] == NULL || strcmp(words[0], "nameserver") != 0 || words[1] == NULL)
            continue;
        g_strstrip(words[1]);
        if (strcmp(words[1], "127.0.0.53") == 0 || strcmp(words[1], "127.0.0.54") == 0)
            return true;
    }
    return false;
}

bool dns_resolvconf_uses_resolve(const char *nsswitch)
{
    g_auto(GStrv) lines = g_strsplit(nsswitch, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) words = NULL;

        if (!g_str_has_prefix(g_strstrip(*line), "hosts:"))
            continue;
        words = g_strsplit_set(*line + strlen("hosts:"), " \t", -1);
        return g_strv_contains((const char *const *)words, "resolve");
    }
    return false;
}
