/* deadline.c - timeouts of equal length in the order they were set. */
#include "net/deadline.h"

void deadline_list_init(struct deadline_list *list, uint64_t after_ms, deadline_cb on_expire)
{
    list_init(&list->entries);
    list->after_ms = after_ms;
    list->on_expire = on_expire;
}

void deadline_list_change(struct deadline_list *list, uint64_t after_ms, uint64_t now_ms)
{
    list->after_ms = after_ms;
    if (after_ms == 0)
        return;
    /* Capping all keeps their order. */
    LIST_FOREACH (&list->entries, node) {
        struct deadline *deadline = CONTAINER_OF(node, struct deadline, node);
        if (deadline->due_ms > now_ms + after_ms)
            deadline->due_ms = now_ms + after_ms;
    }
}

void deadline_set(struct deadline *deadline, struct deadline_list *list, uint64_t now_ms)
{
    list_remove(&deadline->node);
    if (list->after_ms == 0)
        return;
    deadline->set_ms = now_ms;
    deadline->due_ms = now_ms + list->after_ms;
    list_push_back(&list->entries, &deadline->node);
}

void deadline_sweep(struct deadline_list *list, uint64_t now_ms)
{
    struct deadline *first;

    /* Always from the front: a callback may have cleared or set any of the others. One that sets
     * itself again is due later and so ends the walk. */
    while ((first = LIST_FIRST(&list->entries, struct deadline, node)) != NULL &&
           first->due_ms <= now_ms) {
        list_remove(&first->node);
        list->on_expire(first);
    }
}
