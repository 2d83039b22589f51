#include "common/glib/language.h"

#include <glib.h>
#include <libintl.h>
#include <locale.h>

#define DOMAIN "mesh"

/* Owned; NULL: there is none. */
static char *find_beside_program(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *bin = program != NULL ? g_path_get_dirname(program) : NULL;
    g_autofree char *place = NULL;

    if (bin == NULL)
        return NULL;
    place = g_build_filename(bin, "..", "share", "locale", NULL);
    return g_file_test(place, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&place) : NULL;
}

void mesh_language_init(const char *installed)
{
    g_autofree char *beside = find_beside_program();

    setlocale(LC_ALL, "");
    bindtextdomain(DOMAIN, beside != NULL ? beside : installed);
    bind_textdomain_codeset(DOMAIN, "UTF-8");
    textdomain(DOMAIN);
}
