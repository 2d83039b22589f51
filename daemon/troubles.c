/* daemon/troubles.c: see troubles.h. */
#include "daemon/troubles.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#include <string.h>

/* What is wrong with one document. */
typedef struct {
    char            *read;  /* what was found when it was read; NULL: nothing wrong */
    MeshdTroubleKind kind;  /* of that */
    char            *write; /* why the newest of it is in memory only; NULL: it is on disk */
    bool             full;  /* namely that the disk has no room */
} Trouble;

struct MeshdTroubles {
    GMutex      mutex;                /* held for moments only */
    GHashTable *table;                /* owned path → owned Trouble */
    guint       idle;                 /* to call changed; 0: none */
    void (*changed)(void *user_data); /* main loop; NULL: nobody listens */
    void *user_data;
};

static void free_trouble(gpointer data)
{
    Trouble *trouble = data;

    g_free(trouble->read);
    g_free(trouble->write);
    g_free(trouble);
}

MeshdTroubles *meshd_troubles_new(void)
{
    MeshdTroubles *self = g_new0(MeshdTroubles, 1);

    g_mutex_init(&self->mutex);
    self->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_trouble);
    return self;
}

void meshd_troubles_free(MeshdTroubles *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->idle, g_source_remove);
    g_hash_table_unref(self->table);
    g_mutex_clear(&self->mutex);
    g_free(self);
}

static gboolean on_idle(gpointer user_data)
{
    MeshdTroubles *self = user_data;

    g_mutex_lock(&self->mutex);
    self->idle = 0;
    g_mutex_unlock(&self->mutex);
    if (self->changed != NULL)
        self->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

/* With the mutex held, from any thread. */
static void tell(MeshdTroubles *self)
{
    if (self->idle == 0 && self->changed != NULL)
        self->idle = g_idle_add(on_idle, self);
}

void meshd_troubles_watch(MeshdTroubles *self, void (*changed)(void *user_data), void *user_data)
{
    g_mutex_lock(&self->mutex);
    self->changed = changed;
    self->user_data = user_data;
    g_clear_handle_id(&self->idle, g_source_remove);
    if (g_hash_table_size(self->table) > 0) /* what was found before anybody listened */
        tell(self);
    g_mutex_unlock(&self->mutex);
}

/* Owned by the table; made if there is none. With the mutex held. */
static Trouble *get(MeshdTroubles *self, const char *path)
{
    Trouble *trouble = g_hash_table_lookup(self->table, path);

    if (trouble == NULL) {
        trouble = g_new0(Trouble, 1);
        g_hash_table_insert(self->table, g_strdup(path), trouble);
    }
    return trouble;
}

void meshd_troubles_note_read(MeshdTroubles *self, const char *path, const char *text,
                              MeshdTroubleKind kind)
{
    Trouble *trouble;

    g_mutex_lock(&self->mutex);
    trouble = get(self, path);
    if (g_strcmp0(trouble->read, text) != 0)
        mesh_log_warning("%s", text);
    g_free(trouble->read);
    trouble->read = g_strdup(text);
    trouble->kind = kind;
    tell(self);
    g_mutex_unlock(&self->mutex);
}

void meshd_troubles_note_whole(MeshdTroubles *self, const char *path)
{
    Trouble *trouble;

    g_mutex_lock(&self->mutex);
    trouble = g_hash_table_lookup(self->table, path);
    if (trouble != NULL && trouble->read != NULL && trouble->kind != MESHD_TROUBLE_ODD) {
        if (trouble->kind == MESHD_TROUBLE_UNREAD)
            mesh_log_notice("%s can be read again", path);
        g_clear_pointer(&trouble->read, g_free);
        tell(self);
    }
    g_mutex_unlock(&self->mutex);
}

bool meshd_troubles_is_damaged(MeshdTroubles *self, const char *path)
{
    const Trouble *trouble;
    bool           damaged;

    g_mutex_lock(&self->mutex);
    trouble = g_hash_table_lookup(self->table, path);
    damaged = trouble != NULL && trouble->read != NULL && trouble->kind == MESHD_TROUBLE_DAMAGED;
    g_mutex_unlock(&self->mutex);
    return damaged;
}

void meshd_troubles_note_unsaved(MeshdTroubles *self, const char *path, const GError *why)
{
    Trouble *trouble;

    g_mutex_lock(&self->mutex);
    trouble = get(self, path);
    if (trouble->write == NULL) { /* once, not every ten seconds */
        mesh_log_error("%s; tried again until it can be", why->message);
        tell(self);
    }
    g_free(trouble->write);
    trouble->write = g_strdup_printf("not on disk yet, tried again: %s", why->message);
    trouble->full = g_error_matches(why, MESH_ERROR, MESH_ERROR_DISK_FULL);
    g_mutex_unlock(&self->mutex);
}

void meshd_troubles_note_saved(MeshdTroubles *self, const char *path, bool whole)
{
    Trouble *trouble;

    g_mutex_lock(&self->mutex);
    trouble = g_hash_table_lookup(self->table, path);
    if (trouble != NULL) {
        if (trouble->write != NULL) {
            mesh_log_notice("%s is on disk now", path);
            tell(self);
        }
        g_clear_pointer(&trouble->write, g_free);
        if (whole)
            trouble->kind = MESHD_TROUBLE_ODD; /* the words stay until somebody was told */
        if (trouble->read == NULL)
            g_hash_table_remove(self->table, path);
    }
    g_mutex_unlock(&self->mutex);
}

static MeshdStateHealth judge(const Trouble *trouble)
{
    if (trouble->write != NULL)
        return trouble->full ? MESHD_STATE_FULL : MESHD_STATE_UNSAVED;
    return trouble->read != NULL ? MESHD_STATE_DAMAGED : MESHD_STATE_FINE;
}

char **meshd_troubles_list(MeshdTroubles *self, const char *prefix, MeshdStateHealth *out_worst)
{
    MeshdStateHealth worst = MESHD_STATE_FINE;
    GStrvBuilder    *builder = g_strv_builder_new();
    GHashTableIter   iter;
    gpointer         path, value;
    char           **list;

    g_mutex_lock(&self->mutex);
    g_hash_table_iter_init(&iter, self->table);
    while (g_hash_table_iter_next(&iter, &path, &value)) {
        const Trouble *trouble = value;

        if (!g_str_has_prefix(path, prefix))
            continue;
        if (trouble->read != NULL)
            g_strv_builder_add(builder, trouble->read);
        if (trouble->write != NULL)
            g_strv_builder_add(builder, trouble->write);
        worst = MAX(worst, judge(trouble));
    }
    g_mutex_unlock(&self->mutex);
    if (out_worst != NULL)
        *out_worst = worst;
    list = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return list;
}

void meshd_troubles_forget_read(MeshdTroubles *self, GPtrArray *found)
{
    GHashTableIter iter;
    gpointer       value;

    g_mutex_lock(&self->mutex);
    g_hash_table_iter_init(&iter, self->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Trouble *trouble = value;

        if (trouble->read != NULL && trouble->kind == MESHD_TROUBLE_ODD) /* else the file told it */
            g_ptr_array_add(found, g_strdup_printf("%s; it was written anew since", trouble->read));
        g_clear_pointer(&trouble->read, g_free);
        if (trouble->write == NULL)
            g_hash_table_iter_remove(&iter);
    }
    tell(self);
    g_mutex_unlock(&self->mutex);
}

static gboolean is_inside(gpointer path, gpointer value, gpointer prefix)
{
    (void)value;
    return g_str_has_prefix(path, prefix);
}

void meshd_troubles_drop(MeshdTroubles *self, const char *prefix)
{
    g_mutex_lock(&self->mutex);
    g_hash_table_foreach_remove(self->table, is_inside, (gpointer)prefix);
    g_mutex_unlock(&self->mutex);
}
