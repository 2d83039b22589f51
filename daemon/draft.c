#include "daemon/draft.h"

MeshdDraft *meshd_draft_new(void)
{
    return g_new0(MeshdDraft, 1);
}

void meshd_draft_drop_whole(MeshdDraft *self)
{
    g_clear_pointer(&self->bytes, g_bytes_unref);
    if (self->maker.free_data != NULL)
        self->maker.free_data(self->maker.data);
    self->maker = (MeshdStateMaker){ .make = NULL };
}

void meshd_draft_free(gpointer draft)
{
    MeshdDraft *self = draft;

    if (self == NULL)
        return;
    meshd_draft_drop_whole(self);
    g_clear_pointer(&self->records, g_ptr_array_unref);
    g_free(self);
}

bool meshd_draft_is_whole(const MeshdDraft *self)
{
    return self->bytes != NULL || self->maker.make != NULL;
}

GBytes *meshd_draft_get_bytes(MeshdDraft *self)
{
    if (self->bytes == NULL && self->maker.make != NULL)
        self->bytes = self->maker.make(self->maker.data);
    return self->bytes;
}

void meshd_draft_add(MeshdDraft *self, GPtrArray *records)
{
    if (self->records == NULL)
        self->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (guint i = 0; records != NULL && i < records->len; i++)
        g_ptr_array_add(self->records, g_bytes_ref(records->pdata[i]));
}
