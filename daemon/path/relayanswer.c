#include "daemon/path/relayanswer.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

int path_relayanswer_status(const char *head)
{
    if (!g_str_has_prefix(head, "HTTP/1.") || strlen(head) < 12 || head[8] != ' ')
        return 0;
    return g_ascii_isdigit(head[9]) && g_ascii_isdigit(head[10]) && g_ascii_isdigit(head[11])
               ? (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0')
               : 0;
}

char *path_relayanswer_dup_field(const char *head, const char *name)
{
    size_t n_name = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (g_ascii_strncasecmp(line, name, n_name) == 0 && line[n_name] == ':') {
            const char *value = line + n_name + 1;

            return g_strstrip(g_strndup(value, strcspn(value, "\r\n")));
        }
    }
    return NULL;
}

int64_t path_relayanswer_date(const char *head)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    g_autofree char  *text = path_relayanswer_dup_field(head, "Date");
    char              month[4] = "";
    int               day, year, hour, minute, second;
    const char       *at;
    g_autoptr(GDateTime) date = NULL;

    if (text == NULL || sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &hour,
                               &minute, &second) != 6)
        return 0;
    at = strstr(months, month);
    if (at == NULL || strlen(month) != 3)
        return 0;
    date = g_date_time_new_utc(year, (int)(at - months) / 3 + 1, day, hour, minute, second);
    return date != NULL ? g_date_time_to_unix(date) : 0;
}
