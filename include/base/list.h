/*
 * list.h - a doubly linked list through a member of the listed struct.
 *
 * A node is in one list or in none; a node in none points to itself, so list_remove is safe to
 * call twice. The list allocates nothing.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *list)
{
    list->prev = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_push_back(struct list *list, struct list *node)
{
    list_insert_between(node, list->prev, list);
}

static inline void list_push_front(struct list *list, struct list *node)
{
    list_insert_between(node, list, list->next);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The struct that holds the first node, or NULL. */
#define LIST_FIRST(list, type, member) \
    (list_is_empty(list) ? NULL : CONTAINER_OF((list)->next, type, member))

/* Walks all nodes; the body may remove the node it is at, and nothing else. */
#define LIST_FOREACH(head, node)                                                      \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
