/* common/glib/jsoncheck.c: the check of mesh_json_check(): all of RFC 8259, plus what docs/PROTOCOL
 * asks for: bounded depth, no key twice, no NUL, integers of at most 16 digits.
 *
 * One pass, no recursion: a stack of at most MESH_JSON_MAX_DEPTH open brackets, each object with
 * the set of its keys. */
#include "common/glib/error.h"
#include "common/glib/json.h"

#include <string.h>

enum {
    MAX_INT_DIGITS = 16, /* 2^53-1 has 16 */
};

typedef struct {
    bool        is_object;
    GHashTable *keys; /* owned unescaped keys; NULL until the first */
} Level;

typedef struct {
    const char *start, *at, *end;
    unsigned    depth;
    Level       levels[MESH_JSON_MAX_DEPTH];
    const char *why; /* the first thing that is wrong */
    GString    *key; /* unescaped text of the last string */
} Checker;

static bool fail(Checker *c, const char *why)
{
    if (c->why == NULL)
        c->why = why;
    return false;
}

static void skip_space(Checker *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool is_next(const Checker *c, char wanted)
{
    return c->at < c->end && *c->at == wanted;
}

static bool read_hex4(Checker *c, unsigned *out_value)
{
    unsigned value = 0;

    if (c->end - c->at < 4)
        return fail(c, "\\u needs four hexadecimal digits");
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(c->at[i]);

        if (digit < 0)
            return fail(c, "\\u needs four hexadecimal digits");
        value = value << 4 | (unsigned)digit;
    }
    c->at += 4;
    *out_value = value;
    return true;
}

/* Behind "\u". */
static bool check_unicode_escape(Checker *c)
{
    unsigned high, low;

    if (!read_hex4(c, &high))
        return false;
    if (high == 0)
        return fail(c, "\\u0000 is not allowed");
    if (high < 0xd800 || high > 0xdfff) {
        g_string_append_unichar(c->key, high);
        return true;
    }
    if (high > 0xdbff || c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u')
        return fail(c, "half of a surrogate pair");
    c->at += 2;
    if (!read_hex4(c, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(c, "half of a surrogate pair");
    g_string_append_unichar(c->key, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    return true;
}

/* Behind the backslash. */
static bool check_escape(Checker *c)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char       *found;

    if (c->at >= c->end)
        return fail(c, "text is not closed");
    if (*c->at == 'u') {
        c->at++;
        return check_unicode_escape(c);
    }
    found = memchr(letters, *c->at, sizeof(letters) - 1);
    if (found == NULL)
        return fail(c, "unknown escape in text");
    g_string_append_c(c->key, values[found - letters]);
    c->at++;
    return true;
}

/* At the opening quote; leaves the unescaped text in c->key. */
static bool check_string(Checker *c)
{
    g_string_truncate(c->key, 0);
    c->at++;
    while (c->at < c->end && *c->at != '"') {
        const char *run = c->at;

        while (c->at < c->end && *c->at != '"' && *c->at != '\\' && (unsigned char)*c->at >= 0x20)
            c->at++;
        g_string_append_len(c->key, run, c->at - run);
        if (c->at >= c->end || *c->at == '"')
            break;
        if (*c->at != '\\')
            return fail(c, "control character in text");
        c->at++;
        if (!check_escape(c))
            return false;
    }
    if (c->at >= c->end)
        return fail(c, "text is not closed");
    c->at++;
    return true;
}

static size_t skip_digits(Checker *c)
{
    const char *from = c->at;

    while (c->at < c->end && g_ascii_isdigit(*c->at))
        c->at++;
    return (size_t)(c->at - from);
}

static bool check_number(Checker *c)
{
    bool   zero, whole = true;
    size_t digits;

    if (is_next(c, '-'))
        c->at++;
    zero = is_next(c, '0');
    digits = skip_digits(c);
    if (digits == 0)
        return fail(c, "a value was expected");
    if (zero && digits > 1)
        return fail(c, "a number begins with 0");
    if (is_next(c, '.')) {
        whole = false;
        c->at++;
        if (skip_digits(c) == 0)
            return fail(c, "a number ends in its point");
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        whole = false;
        c->at++;
        if (is_next(c, '+') || is_next(c, '-'))
            c->at++;
        if (skip_digits(c) == 0)
            return fail(c, "a number without its exponent");
    }
    if (whole && digits > MAX_INT_DIGITS)
        return fail(c, "a number is too large");
    return true;
}

static bool check_word(Checker *c)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        size_t len = strlen(words[i]);

        if ((size_t)(c->end - c->at) < len || memcmp(c->at, words[i], len) != 0)
            continue;
        c->at += len;
        return true;
    }
    return check_number(c);
}

/* A key and its colon, at whatever stands there. */
static bool check_key(Checker *c)
{
    Level *level = &c->levels[c->depth - 1];

    skip_space(c);
    if (!is_next(c, '"'))
        return fail(c, "a key in quotes was expected");
    if (!check_string(c))
        return false;
    if (level->keys == NULL)
        level->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!g_hash_table_add(level->keys, g_strndup(c->key->str, c->key->len)))
        return fail(c, "the same key twice in an object");
    skip_space(c);
    if (!is_next(c, ':'))
        return fail(c, "':' was expected");
    c->at++;
    return true;
}

static bool open_level(Checker *c)
{
    if (c->depth >= MESH_JSON_MAX_DEPTH)
        return fail(c, "nested too deeply");
    c->levels[c->depth].is_object = *c->at == '{';
    c->levels[c->depth].keys = NULL;
    c->depth++;
    c->at++;
    return true;
}

static void close_level(Checker *c)
{
    c->depth--;
    g_clear_pointer(&c->levels[c->depth].keys, g_hash_table_unref);
}

/* After a value: closes brackets, steps over one comma. @out_more: a value follows. */
static bool check_after_value(Checker *c, bool *out_more)
{
    *out_more = false;
    while (c->depth > 0) {
        bool is_object = c->levels[c->depth - 1].is_object;

        skip_space(c);
        if (is_next(c, ',')) {
            c->at++;
            *out_more = true;
            return !is_object || check_key(c);
        }
        if (!is_next(c, is_object ? '}' : ']'))
            return fail(c, is_object ? "',' or '}' was expected" : "',' or ']' was expected");
        c->at++;
        close_level(c);
    }
    return true;
}

/* One value up to its end, or a bracket that is opened: @out_opened. */
static bool check_value(Checker *c, bool *out_opened)
{
    *out_opened = false;
    skip_space(c);
    if (c->at >= c->end)
        return fail(c, "it ends too early");
    if (*c->at == '"')
        return check_string(c);
    if (*c->at != '{' && *c->at != '[')
        return check_word(c);
    if (!open_level(c))
        return false;
    skip_space(c);
    if (is_next(c, '}') && c->levels[c->depth - 1].is_object)
        goto empty;
    if (is_next(c, ']') && !c->levels[c->depth - 1].is_object)
        goto empty;
    *out_opened = true;
    return !c->levels[c->depth - 1].is_object || check_key(c);
empty:
    c->at++;
    close_level(c);
    return true;
}

static bool check_document(Checker *c)
{
    bool opened, more = true;

    while (more) {
        if (!check_value(c, &opened))
            return false;
        if (!opened && !check_after_value(c, &more))
            return false;
    }
    skip_space(c);
    return c->at == c->end || fail(c, "something stands behind the end");
}

static void set_error(const Checker *c, GError **error)
{
    unsigned line = 1;
    size_t   column = 1;

    for (const char *p = c->start; p < c->at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "JSON, line %u column %zu: %s", line,
                column, c->why);
}

bool mesh_json_check(const char *text, size_t len, GError **error)
{
    Checker     c = { .key = NULL };
    const char *bad = NULL;
    bool        ok;

    if (len == 0)
        text = ""; /* of an empty GBytes it may be NULL */
    c.start = c.at = text;
    c.end = text + len;
    if (!g_utf8_validate_len(text, len, &bad)) { /* refuses NUL as well */
        c.at = bad;
        fail(&c, "not valid UTF-8");
        set_error(&c, error);
        return false;
    }
    c.key = g_string_new(NULL);
    ok = check_document(&c);
    while (c.depth > 0)
        close_level(&c);
    g_string_free(c.key, TRUE);
    if (!ok)
        set_error(&c, error);
    return ok;
}
