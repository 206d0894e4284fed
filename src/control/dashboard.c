/*
 * dashboard.c - api -> dashboard_answer -> the bytes of a file. What keeps other sites away from the
 * page stands in the answer's head (answer.c) and at the gate (gate.c).
 */
#include "control/dashboard.h"

#include "base/check.h"

/* The bytes of the files of the same names, by cmake/Embed.cmake. */
static const unsigned char page_html[] = {
#include "control/dashboard/page.html.inc"
};
static const unsigned char page_css[] = {
#include "control/dashboard/page.css.inc"
};
/* One script of several files: page.js is what the others stand on, start.js begins. So not
 * in the order of the alphabet. */
/* clang-format off */
static const unsigned char page_js[] = {
#include "control/dashboard/page.js.inc"
#include "control/dashboard/words.js.inc"
#include "control/dashboard/api.js.inc"
#include "control/dashboard/live.js.inc"
#include "control/dashboard/mood.js.inc"
#include "control/dashboard/plan.js.inc"
#include "control/dashboard/compare.js.inc"
#include "control/dashboard/chart.js.inc"
#include "control/dashboard/routes.js.inc"
#include "control/dashboard/events.js.inc"
#include "control/dashboard/ask.js.inc"
#include "control/dashboard/orders.js.inc"
#include "control/dashboard/start.js.inc"
};
/* clang-format on */

static const struct dashboard_file files[] = {
    {STR_INIT("/"), "text/html; charset=utf-8", page_html, sizeof(page_html)},
    {STR_INIT("/dashboard.css"), "text/css; charset=utf-8", page_css, sizeof(page_css)},
    {STR_INIT("/dashboard.js"), "text/javascript; charset=utf-8", page_js, sizeof(page_js)},
};

const struct dashboard_file *dashboard_find(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (str_eq(files[i].path, path))
            return &files[i];
    return NULL;
}

void dashboard_answer(struct controller *controller, const struct admin_request *request,
                      struct admin_answer *answer)
{
    (void)controller;
    const struct dashboard_file *file = dashboard_find(request->message->path);
    CHECK(file != NULL); /* the table of calls leads here with these paths alone */
    answer->content_type = file->content_type;
    buf_append(&answer->body, file->bytes, file->size);
    answer->is_page = true;
    answer->status = 200;
}
