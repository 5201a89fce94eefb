/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "completeness.h"
#include "diag.h"
#include "inheritance.h"
#include "json_put.h"
#include "leak_heuristics.h"
#include "leak_survey.h"
#include "leak_why.h"
#include "operand.h"
#include "option_value.h"
#include "tree_print.h"
#include "units.h"

struct settings {
    bool top_down, flat, json;
    double threshold;
    uint64_t depth, limit;
    struct folding folding;
    const char *filter, *at, *from, *to;
    const char *kinds, *image, *why;
    unsigned kind_set;
};

/* What is shown, loaded and counted. */
struct loaded {
    struct tape_file *tape;
    struct profile *profile;
    struct names *names;
    struct leak_survey *survey; /* NULL: nobody asked, and there is no heap image */
    struct tree_site *sites;
    size_t site_count;
    uint64_t total_bytes, total_blocks; /* of all sites */
    uint64_t shown_bytes, shown_blocks; /* of those that the filter keeps */
    struct tree_site *pool_sites;       /* blocks of pools: apart from all the others */
    size_t pool_site_count;
    uint64_t pool_bytes, pool_blocks; /* the filter does not count */
    uint64_t ignored_bytes, ignored_blocks;
};

static bool parse(const struct command *c, int argc, char **argv, struct settings *s) {
    const char *value;
    int found;
    while ((found = command_next_option(c, argc, argv, &value)) >= 0) {
        const char *name = c->options[found].name;
        if (strcmp(name, "at") == 0) {
            s->at = value;
        } else if (strcmp(name, "between") == 0) {
            if (optind >= argc) {
                command_usage_error(c, "--between wants two times, e.g. --between 1s 2s");
                return false;
            }
            s->from = value;
            s->to = argv[optind++];
        } else if (strcmp(name, "bottom-up") == 0) {
            s->top_down = false;
        } else if (folding_option(&s->folding, name, value) || naming_option(c, name, value)) {
            continue;
        } else if (strcmp(name, "top-down") == 0) {
            s->top_down = true;
        } else if (strcmp(name, "flat") == 0) {
            s->flat = true;
        } else if (strcmp(name, "json") == 0) {
            s->json = true;
        } else if (strcmp(name, "filter") == 0) {
            s->filter = value;
        } else if (strcmp(name, "image") == 0) {
            s->image = value;
        } else if (strcmp(name, "why") == 0) {
            s->why = value;
        } else if (strcmp(name, "kinds") == 0) {
            s->kinds = value;
            if (!leak_kinds_parse(value, &s->kind_set)) {
                command_usage_error(
                    c, "--kinds: '%s' is no list of definite, indirect, possible, reachable",
                    value);
                return false;
            }
        } else if (strcmp(name, "threshold") == 0) {
            if (!option_percent(c, name, value, &s->threshold))
                return false;
        } else if (strcmp(name, "depth") == 0) {
            if (!option_number(c, name, value, 0, TREE_DEPTH_MAX, &s->depth))
                return false;
        } else if (strcmp(name, "limit") == 0) {
            if (!option_number(c, name, value, 0, UINT32_MAX, &s->limit))
                return false;
        }
    }
    if (s->from != NULL && (s->kinds != NULL || s->image != NULL || s->why != NULL)) {
        command_usage_error(c,
                            "--between goes with none of --kinds, --image and --why: only at the "
                            "instant of a heap image is it known what points to a block");
        return false;
    }
    return true;
}

static bool parse_range(const struct command *c, struct tape_file *tape, const struct settings *s,
                        struct profile_range *range) {
    const char *error, *text = s->at;
    *range = (struct profile_range){.until = UINT64_MAX};
    if (s->at != NULL && !profile_parse_time(tape, text, PROFILE_TO, &range->until, &error))
        goto bad;
    if (s->from == NULL)
        return true;
    range->between = true;
    if (!profile_parse_time(tape, text = s->from, PROFILE_FROM, &range->from, &error) ||
        !profile_parse_time(tape, text = s->to, PROFILE_TO, &range->to, &error))
        goto bad;
    if (range->from > range->to) {
        command_usage_error(c, "--between: '%s' is later than '%s'", s->from, s->to);
        return false;
    }
    return true;
bad:
    command_usage_error(c, "'%s': %s", text, error);
    return false;
}

static void load_sites(struct loaded *l, const struct view *v) {
    const struct profile *p = l->profile;
    l->sites = xmalloc((p->site_count != 0 ? p->site_count : 1) * sizeof *l->sites);
    for (size_t i = 0; i < p->site_count; i++) {
        uint64_t bytes = p->sites[i].value[v->bytes], blocks = p->sites[i].value[v->blocks];
        if (bytes == 0 && blocks == 0)
            continue;
        l->sites[l->site_count++] = (struct tree_site){p->sites[i].stack, bytes, blocks};
        l->total_bytes += bytes;
        l->total_blocks += blocks;
    }
}

/* What is left in pools, and was left out, where a view tells leaks. */
static void load_pools(struct loaded *l) {
    const struct profile *p = l->profile;
    l->pool_sites = xmalloc((p->pool_site_count + 1) * sizeof *l->pool_sites);
    for (size_t i = 0; i < p->pool_site_count; i++) {
        const struct profile_pool_site *s = &p->pool_sites[i];
        l->pool_sites[l->pool_site_count++] = (struct tree_site){s->stack, s->bytes, s->blocks};
        l->pool_bytes += s->bytes;
        l->pool_blocks += s->blocks;
    }
    l->ignored_bytes = p->ignored_bytes;
    l->ignored_blocks = p->ignored_blocks;
}

static void filter_sites(struct loaded *l, const char *filter) {
    if (filter != NULL) {
        l->site_count = tree_filter(l->names, l->sites, l->site_count, filter);
        l->pool_site_count = tree_filter(l->names, l->pool_sites, l->pool_site_count, filter);
    }
    for (size_t i = 0; i < l->site_count; i++) {
        l->shown_bytes += l->sites[i].bytes;
        l->shown_blocks += l->sites[i].blocks;
    }
}

/* ---- kinds of leaks ------------------------------------------------------------------------ */

/* False, and one line, when there are no kinds though they were asked for. */
static bool load_survey(struct loaded *l, const struct view *v, const struct settings *s) {
    bool asked = s->kinds != NULL || s->image != NULL || s->why != NULL;
    if (!v->kinds || s->from != NULL || (!asked && !heap_image_exists(l->tape)))
        return true;
    struct image_choice choice = {.by = IMAGE_NEWEST, .name = s->image};
    if (s->image != NULL) {
        char *end;
        choice.number = strtoull(s->image, &end, 10);
        choice.by = s->image[0] != '\0' && *end == '\0' ? IMAGE_NUMBER : IMAGE_MARK;
    }
    struct inherited *inherited = inheritance_of(l->tape);
    l->survey = leak_survey_new(l->tape, &(struct survey_plan){.image = &choice,
                                                               .heuristics = LEAK_HEURISTICS_ALL,
                                                               .inherited = inherited});
    inherited_free(inherited);
    if (l->survey->reason == NULL || !asked)
        return true;
    diag("%s: no kinds of leaks: %s", tape_file_path(l->tape), l->survey->reason);
    return false;
}

/* Adds the blocks of the kinds asked for, of pools or all others, as sites of the survey's own
 * replay. Returns the sites. */
static struct tree_site *add_kinds(const struct leak_survey *survey, const struct settings *s,
                                   bool pools, size_t *count, uint64_t *bytes, uint64_t *blocks) {
    uint32_t *place = xcalloc(stacks_count(replay_stacks(survey->replay)), sizeof *place);
    struct tree_site *sites = xmalloc((survey->count + 1UL) * sizeof *sites);
    for (uint32_t i = 0; i < survey->count; i++) {
        const struct survey_block *b = &survey->block[i];
        if ((s->kinds != NULL && (s->kind_set >> b->kind & 1) == 0) ||
            (b->block.op == TAPE_OP_POOL_ALLOC) != pools)
            continue;
        uint32_t *at = &place[b->block.stack];
        if (*at == 0) {
            sites[(*count)++] = (struct tree_site){.stack = b->block.stack};
            *at = (uint32_t)*count;
        }
        sites[*at - 1].bytes += b->block.size;
        sites[*at - 1].blocks++;
        *bytes += b->block.size;
        ++*blocks;
    }
    free(place);
    return sites;
}

static void load_kinds(struct loaded *l, const struct settings *s) {
    l->sites = add_kinds(l->survey, s, false, &l->site_count, &l->total_bytes, &l->total_blocks);
    l->pool_sites =
        add_kinds(l->survey, s, true, &l->pool_site_count, &l->pool_bytes, &l->pool_blocks);
    l->ignored_bytes = l->survey->ignored_bytes;
    l->ignored_blocks = l->survey->ignored_count;
}

/* Whether the sites shown are the survey's: asked for, or because only that knows what ignored
 * blocks lead to. */
static bool shows_kinds(const struct loaded *l, const struct settings *s) {
    return s->kinds != NULL || s->image != NULL ||
           (l->survey != NULL && l->survey->reason == NULL && l->survey->ignored_count != 0);
}

struct kind_total {
    uint64_t bytes, blocks;
};

static void sum_kinds(const struct leak_survey *survey, struct kind_total *total) {
    for (uint32_t i = 0; i < survey->count; i++) {
        total[survey->block[i].kind].bytes += survey->block[i].block.size;
        total[survey->block[i].kind].blocks++;
    }
}

/* "still reachable: 1.00 KiB in 3 blocks", a line for each kind. */
static void print_kinds(const struct leak_survey *survey) {
    struct kind_total total[LEAK_KINDS] = {0};
    char size[UNITS_ROOM], blocks[UNITS_ROOM];
    sum_kinds(survey, total);
    for (int kind = 0; kind < LEAK_UNKNOWN; kind++)
        if (total[kind].blocks != 0)
            printf("%s: %s in %s block%s\n", leak_kind_info[kind].phrase,
                   units_bytes(size, total[kind].bytes), units_count(blocks, total[kind].blocks),
                   total[kind].blocks == 1 ? "" : "s");
    if (survey->reason != NULL)
        printf("kinds of leaks are not known: %s\n", survey->reason);
    else if (!survey->image->frozen)
        puts(LEAK_IN_PLACE);
}

static void put_kinds(struct json_object *o, const struct leak_survey *survey) {
    struct kind_total total[LEAK_KINDS] = {0};
    struct json_object *kinds = json_object_new_object();
    sum_kinds(survey, total);
    for (int kind = 0; kind < LEAK_UNKNOWN && survey->reason == NULL; kind++)
        json_object_object_add(kinds, leak_kind_info[kind].name,
                               json_amounts(total[kind].bytes, total[kind].blocks));
    json_object_object_add(o, "kinds", kinds);
    json_put_text(o, "no_kinds", survey->reason);
    json_put_bool(o, "image_in_place", survey->reason == NULL && !survey->image->frozen);
}

static void print_object(struct json_object *o) {
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                               JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

static uint32_t print_why_json(struct loaded *l, const struct why_question *q) {
    struct json_object *o = json_object_new_object();
    uint32_t found;
    struct json_object *groups = leak_why_json(q, &found);
    json_put_text(o, "view", "why");
    json_put_text(o, "site", q->site);
    json_put(o, "matching", found);
    json_object_object_add(o, "stacks", groups);
    char *doubt = completeness_doubt(tape_file_health(l->tape));
    json_put_bool(o, "reliable", doubt == NULL);
    free(doubt);
    json_object_object_add(o, "completeness",
                           completeness_json(l->tape, replay_counts(l->survey->replay), q->names));
    print_object(o);
    return found;
}

static int show_why(struct loaded *l, const struct settings *s) {
    struct names *names = names_of_recording(replay_stacks(l->survey->replay), &s->folding,
                                             tape_file_process(l->tape));
    struct why_question q = {l->survey, names, s->why, (uint32_t)s->limit};
    uint32_t found = s->json ? print_why_json(l, &q) : leak_why_print(stdout, &q);
    if (found == 0)
        diag("%s: no block that lives at the heap image has a stack with '%s'",
             tape_file_path(l->tape), s->why);
    names_free(names);
    return found != 0 ? completeness_status(l->tape) : EXIT_FINDING;
}

/* ---- what is printed ----------------------------------------------------------------------- */

/* No instant lies behind the end of the run. */
static uint64_t within(const struct loaded *l, uint64_t time) {
    uint64_t end = replay_counts(l->profile->replay)->end_time;
    return time < end ? time : end;
}

/* "Live at the peak, 1.23 s after the start" */
static void print_title(const struct view *v, const struct loaded *l, const struct settings *s,
                        const struct profile_range *range) {
    const struct replay_counts *counts = replay_counts(l->profile->replay);
    const struct tape_process *process = tape_file_process(l->tape);
    char a[UNITS_ROOM], b[UNITS_ROOM], size[UNITS_ROOM], blocks[UNITS_ROOM];
    if (s->from != NULL)
        printf("Allocated after %s and not freed by %s", units_duration(a, within(l, range->from)),
               units_duration(b, within(l, range->to)));
    else if (s->at != NULL)
        printf("Live %s after the start", units_duration(a, within(l, range->until)));
    else if (v->bytes == METRIC_PEAK_BYTES)
        printf("%s, %s after the start", v->title, units_duration(a, counts->peak_time));
    else if (s->image != NULL)
        printf("Live at the heap image '%s'", s->image);
    else
        fputs(process->closed ? v->title : "Not freed when the recording ends", stdout);
    if (s->kinds != NULL)
        printf(" (%s)", s->kinds);
    char *doubt = completeness_doubt_suffix(tape_file_health(l->tape));
    printf(": %s in %s block%s%s\n", units_bytes(size, l->total_bytes),
           units_count(blocks, l->total_blocks), l->total_blocks == 1 ? "" : "s", doubt);
    free(doubt);
    if (l->survey != NULL && s->kinds == NULL)
        print_kinds(l->survey);
    if (l->pool_blocks != 0)
        printf("of pools, besides: %s in %s block%s\n", units_bytes(size, l->pool_bytes),
               units_count(blocks, l->pool_blocks), l->pool_blocks == 1 ? "" : "s");
    if (l->ignored_blocks != 0)
        printf("ignored: %s in %s block%s\n", units_bytes(size, l->ignored_bytes),
               units_count(blocks, l->ignored_blocks), l->ignored_blocks == 1 ? "" : "s");
    if (s->filter != NULL)
        printf("of these in stacks that match '%s': %s (%s) in %s block%s\n", s->filter,
               units_bytes(size, l->shown_bytes), units_percent(a, l->shown_bytes, l->total_bytes),
               units_count(blocks, l->shown_blocks), l->shown_blocks == 1 ? "" : "s");
    fputc('\n', stdout);
}

static void print_json(const struct view *v, const struct loaded *l, const struct settings *s,
                       const struct profile_range *range, const char *key,
                       struct json_object *content, struct json_object *pools) {
    const struct replay_counts *counts = replay_counts(l->profile->replay);
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "view", json_object_new_string(v->json_name));
    if (s->from != NULL) {
        json_put(o, "from_ns", within(l, range->from));
        json_put(o, "to_ns", within(l, range->to));
    } else {
        json_put(o, "at_ns",
                 s->at != NULL                   ? within(l, range->until)
                 : v->bytes == METRIC_PEAK_BYTES ? counts->peak_time
                                                 : counts->end_time);
    }
    json_object_object_add(o, "total", json_amounts(l->total_bytes, l->total_blocks));
    if (l->survey != NULL)
        put_kinds(o, l->survey);
    char *doubt = completeness_doubt(tape_file_health(l->tape));
    json_object_object_add(o, "reliable", json_object_new_boolean(doubt == NULL));
    free(doubt);
    if (s->filter != NULL) {
        char *glob = names_printable(s->filter, strlen(s->filter));
        json_object_object_add(o, "filter", json_object_new_string(glob));
        json_object_object_add(o, "matching", json_amounts(l->shown_bytes, l->shown_blocks));
        free(glob);
    }
    json_object_object_add(o, "direction",
                           json_object_new_string(s->top_down ? "top-down" : "bottom-up"));
    json_object_object_add(o, key, content);
    if (v->kinds) {
        struct json_object *of_pools = json_object_new_object();
        json_object_object_add(of_pools, "total", json_amounts(l->pool_bytes, l->pool_blocks));
        json_object_object_add(of_pools, key, pools);
        json_object_object_add(o, "pools", of_pools);
        json_object_object_add(o, "ignored", json_amounts(l->ignored_bytes, l->ignored_blocks));
    }
    json_object_object_add(o, "completeness", completeness_json(l->tape, counts, l->names));
    print_object(o);
}

/* A tree of sites, or a list of their places: as JSON, which is returned, or printed. */
static struct json_object *show_sites(struct loaded *l, const struct settings *s,
                                      const struct screen *screen, const struct tree_site *sites,
                                      size_t count, uint64_t total_bytes) {
    struct tree_print how = {.names = l->names,
                             .screen = screen,
                             .top_down = s->top_down,
                             .total_bytes = total_bytes,
                             .limit = (uint32_t)s->limit,
                             .threshold = s->threshold};
    uint64_t threshold = option_share(s->threshold, total_bytes);
    struct json_object *o = NULL;
    if (s->flat) {
        size_t place_count;
        struct tree_place *places = tree_places(l->names, sites, count, &place_count);
        if (s->json)
            o = tree_json_places(places, place_count, threshold, &how);
        else
            tree_print_places(stdout, places, place_count, threshold, &how);
        free(places);
        return o;
    }
    struct tree_options options = {.top_down = s->top_down,
                                   .threshold = threshold,
                                   .depth = (uint32_t)s->depth};
    struct tree *tree = tree_build(l->names, sites, count, &options);
    if (s->json)
        o = tree_json(tree, &how);
    else
        tree_print(stdout, tree, &how);
    tree_free(tree);
    return o;
}

static void print_pools(struct loaded *l, const struct settings *s, const struct screen *screen) {
    if (l->pool_blocks == 0)
        return;
    printf("\n%sBlocks of pools%s (heaptape_pool_alloc)\n\n", screen_bold(screen),
           screen_plain(screen));
    show_sites(l, s, screen, l->pool_sites, l->pool_site_count, l->pool_bytes);
}

static void show(const struct view *v, struct loaded *l, const struct settings *s,
                 const struct profile_range *range) {
    struct screen screen = screen_of(stdout, naming()->full_names);
    if (s->json) {
        struct json_object *content =
            show_sites(l, s, &screen, l->sites, l->site_count, l->total_bytes);
        struct json_object *pools =
            v->kinds ? show_sites(l, s, &screen, l->pool_sites, l->pool_site_count, l->pool_bytes)
                     : NULL;
        print_json(v, l, s, range, s->flat ? "places" : "tree", content, pools);
    } else {
        const struct replay_counts *counts = replay_counts(l->profile->replay);
        const char *empty = completeness_why_empty(l->tape, counts);
        if (empty != NULL) {
            printf("%s.\n", empty);
        } else {
            print_title(v, l, s, range);
            if (l->total_blocks != 0)
                show_sites(l, s, &screen, l->sites, l->site_count, l->total_bytes);
            else if (l->pool_blocks == 0)
                printf("%s\n", s->from != NULL || s->at != NULL ? "Nothing."
                               : l->ignored_blocks != 0         ? "Every other block was freed."
                                                                : v->nothing);
            print_pools(l, s, &screen);
        }
        fputc('\n', stdout);
        completeness_print(stdout, l->tape, counts, l->names);
    }
}

int view_run(const struct command *c, const struct view *view, int argc, char **argv) {
    struct settings s = {.threshold = 1, .depth = 16, .limit = 20};
    if (!parse(c, argc, argv, &s))
        return EXIT_USAGE;
    const char *file = option_file(c, argc, argv);
    if (file == NULL)
        return EXIT_USAGE;
    struct loaded l = {.tape = operand_open(file)};
    if (l.tape == NULL)
        return EXIT_FINDING;
    struct profile_range range;
    int status = EXIT_USAGE;
    bool found = parse_range(c, l.tape, &s, &range);
    if (found && !load_survey(&l, view, &s)) {
        status = EXIT_FINDING;
    } else if (found && s.why != NULL) {
        status = show_why(&l, &s);
    } else if (found) {
        struct view shown = *view;
        if (s.at != NULL) { /* what lives at that instant, not what lived at the peak before it */
            shown.bytes = METRIC_LIVE_BYTES;
            shown.blocks = METRIC_LIVE_BLOCKS;
        }
        range.leaks = view->kinds;
        l.profile = profile_run(l.tape, &range);
        bool kinds = shows_kinds(&l, &s);
        l.names = names_of_recording(replay_stacks(kinds ? l.survey->replay : l.profile->replay),
                                     &s.folding, tape_file_process(l.tape));
        if (kinds)
            load_kinds(&l, &s);
        else
            load_sites(&l, &shown);
        if (!kinds && view->kinds)
            load_pools(&l);
        filter_sites(&l, s.filter);
        show(&shown, &l, &s, &range);
        status = completeness_status(l.tape);
        free(l.sites);
        free(l.pool_sites);
        names_free(l.names);
        profile_free(l.profile);
    }
    leak_survey_free(l.survey);
    folding_free(&s.folding);
    tape_file_close(l.tape);
    return status;
}
