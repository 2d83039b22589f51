/* common/glib/log.c: see log.h. */
#include "common/glib/log.h"

#include "common/glib/logring.h"
#include "common/std/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    BURST = 10,        /* lines of one format at once */
    MAX_FORMATS = 256, /* formats whose rate is known; beyond, all are forgotten */
    MAX_FIELDS = 16,
};

typedef struct {
    int64_t  last_ms;
    unsigned tokens;
    unsigned held_back;
} Rate;

static struct {
    GMutex       mutex; /* everything below */
    const char  *program;
    MeshLogLevel level;
    bool         journal;
    GHashTable  *rates; /* format pointer → owned Rate */
    MeshLogSink  sink;
    void        *sink_data;
} state = { .program = "mesh", .level = MESH_LOG_INFO };

static const char *const level_names[] = {
    [MESH_LOG_ERROR] = "error", [MESH_LOG_WARNING] = "warning", [MESH_LOG_NOTICE] = "notice",
    [MESH_LOG_INFO] = "info",   [MESH_LOG_DEBUG] = "debug",
};

bool mesh_log_parse_level(const char *text, MeshLogLevel *out_level)
{
    for (int i = MESH_LOG_ERROR; i <= MESH_LOG_DEBUG; i++) {
        if (g_strcmp0(text, level_names[i]) != 0)
            continue;
        *out_level = (MeshLogLevel)i;
        return true;
    }
    return false;
}

static const char *skip_secret(const char *p)
{
    while (*p != '\0' && *p != '&' && *p != '"' && *p != '\'' && !g_ascii_isspace(*p))
        p++;
    return p;
}

/* Length of a parameter's name and '=' at @p when its value is a secret, else 0. */
static size_t secret_name(const char *text, const char *p)
{
    static const char *const names[] = { "k=", "psk=", "secret=", "token=", "password=" };

    if (p > text && (g_ascii_isalnum(p[-1]) || p[-1] == '_' || p[-1] == '-'))
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_ascii_strncasecmp(p, names[i], strlen(names[i])) == 0)
            return strlen(names[i]);
    return 0;
}

char *mesh_log_redact(const char *text)
{
    GString *out = g_string_sized_new(strlen(text));

    for (const char *p = text; *p != '\0';) {
        size_t name = secret_name(text, p);

        if (name == 0) {
            g_string_append_c(out, *p++);
            continue;
        }
        g_string_append_len(out, p, (gssize)name);
        g_string_append(out, "***");
        p = skip_secret(p + name);
    }
    return g_string_free(out, FALSE);
}

static bool is_secret_name(const char *name)
{
    static const char *const parts[] = { "secret", "psk", "private", "token", "password" };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        if (strcasestr(name, parts[i]) != NULL)
            return true;
    return false;
}

/* Takes one token of @format. @out_held: how many lines were held back before this one. */
static bool admit(const char *format, unsigned *out_held)
{
    int64_t now = mesh_clock_boot_ms();
    Rate   *rate;

    if (state.rates == NULL)
        state.rates = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    rate = g_hash_table_lookup(state.rates, format);
    if (rate == NULL) {
        if (g_hash_table_size(state.rates) >= MAX_FORMATS)
            g_hash_table_remove_all(state.rates);
        rate = g_new0(Rate, 1);
        rate->tokens = BURST;
        rate->last_ms = now;
        g_hash_table_insert(state.rates, (gpointer)format, rate);
    }
    if (now - rate->last_ms >= 1000) {
        rate->tokens = (unsigned)MIN(rate->tokens + (now - rate->last_ms) / 1000, BURST);
        rate->last_ms = now;
    }
    if (rate->tokens == 0) {
        rate->held_back++;
        return false;
    }
    rate->tokens--;
    *out_held = rate->held_back;
    rate->held_back = 0;
    return true;
}

/* Control characters of what came from outside must not forge lines. */
static void flatten(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

static char *make_line(const MeshLogField *fields, size_t n_fields, const char *text, unsigned held)
{
    g_autofree char *clean = mesh_log_redact(text);
    GString         *line = g_string_new(clean);

    for (size_t i = 0; i < n_fields; i++) {
        g_autofree char *value = NULL;

        if (fields[i].value == NULL)
            continue;
        value = is_secret_name(fields[i].name) ? g_strdup("***") : mesh_log_redact(fields[i].value);
        g_string_append_printf(line, " %s=%s", fields[i].name, value);
    }
    if (held > 0)
        g_string_append_printf(line, " (%u like it held back)", held);
    flatten(line->str);
    return g_string_free(line, FALSE);
}

static char *make_journal_name(const char *name)
{
    g_autofree char *upper = g_ascii_strup(name, -1);
    char            *full = g_strconcat("MESH_", upper, NULL);

    g_strcanon(full, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", '_');
    return full;
}

static bool write_journal(MeshLogLevel level, const MeshLogField *fields, size_t n_fields,
                          const char *line)
{
    char      priority[2] = { (char)('0' + level), '\0' };
    GLogField out[MAX_FIELDS + 2] = { { "MESSAGE", line, -1 }, { "PRIORITY", priority, -1 } };
    char     *names[MAX_FIELDS] = { NULL }, *values[MAX_FIELDS] = { NULL };
    size_t    n = 2;
    GLogWriterOutput done;

    for (size_t i = 0; i < n_fields && i < MAX_FIELDS; i++) {
        if (fields[i].value == NULL || is_secret_name(fields[i].name))
            continue;
        names[i] = make_journal_name(fields[i].name);
        values[i] = mesh_log_redact(fields[i].value);
        out[n++] = (GLogField){ names[i], values[i], -1 };
    }
    done = g_log_writer_journald(G_LOG_LEVEL_MESSAGE, out, n, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_free(names[i]);
        g_free(values[i]);
    }
    return done == G_LOG_WRITER_HANDLED;
}

static void write_plain(MeshLogLevel level, const char *line)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = now != NULL ? g_date_time_format(now, "%H:%M:%S.%f") : NULL;

    if (time != NULL && strlen(time) > 12)
        time[12] = '\0'; /* milliseconds do */
    fprintf(stderr, "%s %s: %s: %s\n", time != NULL ? time : "-", state.program, level_names[level],
            line);
}

static void emit(MeshLogLevel level, const MeshLogField *fields, size_t n_fields, const char *line)
{
    if (state.sink != NULL)
        state.sink(level, line, state.sink_data);
    else if (!state.journal || !write_journal(level, fields, n_fields, line))
        write_plain(level, line);
}

void mesh_log_write(MeshLogLevel level, const MeshLogField *fields, size_t n_fields,
                    const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    unsigned         held = 0;
    bool             wanted;
    va_list          args;

    g_mutex_lock(&state.mutex);
    wanted = level <= state.level && admit(format, &held);
    g_mutex_unlock(&state.mutex);
    if (!wanted)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    line = make_line(fields, n_fields, text, held);
    g_mutex_lock(&state.mutex);
    mesh_logring_put(level, line);
    emit(level, fields, n_fields, line);
    g_mutex_unlock(&state.mutex);
}

static MeshLogLevel from_glib(GLogLevelFlags flags)
{
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return MESH_LOG_ERROR;
    if (flags & G_LOG_LEVEL_WARNING)
        return MESH_LOG_WARNING;
    if (flags & G_LOG_LEVEL_MESSAGE)
        return MESH_LOG_NOTICE;
    return flags & G_LOG_LEVEL_INFO ? MESH_LOG_INFO : MESH_LOG_DEBUG;
}

static GLogWriterOutput on_glib_message(GLogLevelFlags flags, const GLogField *fields, gsize n,
                                        gpointer user_data)
{
    const char  *message = "", *domain = NULL;
    MeshLogField field = { "domain", NULL };

    (void)user_data;
    for (gsize i = 0; i < n; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            message = fields[i].value;
        if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            domain = fields[i].value;
    }
    field.value = domain;
    mesh_log_write(from_glib(flags), &field, 1, "%s", message);
    return G_LOG_WRITER_HANDLED;
}

void mesh_log_set_level(MeshLogLevel level)
{
    g_mutex_lock(&state.mutex);
    state.level = level;
    g_mutex_unlock(&state.mutex);
}

void mesh_log_init(const char *program, MeshLogLevel level)
{
    static bool taken = false; /* GLib takes a writer once in a process */

    if (!mesh_log_parse_level(g_getenv("MESH_LOG"), &level) && g_getenv("MESH_LOG") != NULL)
        fprintf(stderr, "%s: MESH_LOG is none of error, warning, notice, info, debug\n", program);
    g_mutex_lock(&state.mutex);
    state.program = program;
    state.level = level;
    state.journal = g_getenv("JOURNAL_STREAM") != NULL && g_log_writer_is_journald(STDERR_FILENO);
    g_mutex_unlock(&state.mutex);
    if (!taken)
        g_log_set_writer_func(on_glib_message, NULL, NULL);
    taken = true;
}

void mesh_log_set_sink(MeshLogSink sink, void *user_data)
{
    g_mutex_lock(&state.mutex);
    state.sink = sink;
    state.sink_data = user_data;
    g_clear_pointer(&state.rates, g_hash_table_unref);
    g_mutex_unlock(&state.mutex);
}
