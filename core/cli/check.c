/* Checks before a long run: --dry-run (does everything hold together?) and --overfit-one-batch (can the model learn at all?).
 *
 * Neither makes a run's folder. The accuracy on the one batch is counted in evaluation mode, without dropout, by evaluating the
 * training part and picking the batch's rows. */
#include "cli/train.h"
#include "data/batcher.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double enough_fall = 10;

/* -- dry run -- */

static void remove_files(const char *dir)
{
    char path[4096 + 260];
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            (void)unlink(path);
        }
    }
    if (d) closedir(d);
    (void)rmdir(dir);
}

static void describe_dry(const train_job *j)
{
    char weights[32];
    const session *s = &j->session;
    const unsigned long long per_epoch = trainer_steps_per_epoch(s->trainer);
    const double by_epochs = tree_real(s, "train", "epochs", 0) * (double)per_epoch;
    const double steps = tree_real(s, "train", "steps", 0);
    const double total = steps > 0 && (steps < by_epochs || by_epochs == 0) ? steps : by_epochs;
    text t = { 0 };
    text_bytes(weights, (double)trainer_model(s->trainer)->n_flat * sizeof(float));
    text_add(&t, "  data        ");
    dataset_describe(trainer_data(s->trainer), &t);
    text_add(&t, "\n\n");
    model_summary(trainer_model(s->trainer), trainer_batch_size(s->trainer), &t);
    text_add(&t, "\n  optimizer   ");
    trainer_describe_optimizer(s->trainer, &t);
    text_printf(&t, "\n  steps       %.0f: batches of %zu, %llu %s an epoch\n", total,
        trainer_batch_size(s->trainer), per_epoch, per_epoch == 1 ? "step" : "steps");
    const size_t replicas = trainer_n_replicas(s->trainer), threads = trainer_n_threads(s->trainer);
    text_printf(&t, "  runs on     %zu %s × %zu %s\n", replicas,
        replicas == 1 ? "replica" : "replicas", threads, threads == 1 ? "thread" : "threads");
    text_printf(&t,
        "  tried       %llu steps, an evaluation of each part, a checkpoint of %s weights "
        "written and read back: all is well\n",
        (unsigned long long)j->result.step, weights);
    (void)cli_put(j->cli, &t);
}

status dry_run(train_job *j, error *err)
{
    status st = OK;
    const char *base = getenv("TMPDIR");
    const int n = snprintf(j->checkpoints, sizeof j->checkpoints, "%s/assay-dry-run-XXXXXX",
        base && base[0] ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof j->checkpoints || !mkdtemp(j->checkpoints)) {
        return fail(err, E_IO, "%s: no folder can be made here", j->checkpoints);
    }
    TRY(trainer_run(j->session.trainer, &j->result, err));
    progress_close(&j->progress);
    if (j->result.stop == STOP_DIVERGED) {
        TRY(fail(err, E_NUMERIC, "the run diverges at %s", j->result.diverged));
    }
    if (j->result.stop == STOP_INTERRUPTED) {
        TRY(fail(err, E_INTERRUPTED, "interrupted"));
    }
    TRY(trainer_restore_latest(j->session.trainer, j->checkpoints, err));
    describe_dry(j);
done:
    remove_files(j->checkpoints);
    return st;
}

/* -- one batch -- */

status overfit_settings(session *s, error *err)
{
    status st = OK;
    if (tree_real(s, "train", "steps", 0) <= 0) {
        TRY(session_set(s, "train.steps", "300", err));
    }
    TRY(session_set(s, "train.epochs", "0", err));
    (void)value_remove(config_root(s->config), "schedule"); /* an epoch is one step here */
done:
    return st;
}

typedef struct count {
    const assay_data *data;
    size_t n_outputs;
    const uint32_t *rows; /* [n] of the batch, sorted */
    size_t n, n_seen, n_right;
} count;

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static status count_rows(void *self, const batch *b, const float *y, error *err)
{
    count *c = self;
    const uint32_t *rows = b->rows;
    (void)err;
    for (size_t i = 0; i < b->n; i++) {
        if (!bsearch(&rows[i], c->rows, c->n, sizeof *rows, by_number)) {
            continue;
        }
        const float *out = y + i * c->n_outputs;
        size_t best = 0;
        for (size_t k = 1; k < c->n_outputs; k++) {
            best = out[k] > out[best] ? k : best;
        }
        c->n_seen++;
        c->n_right += (int32_t)best == c->data->label[rows[i]];
    }
    return OK;
}

/* The accuracy on the first batch; NaN where the targets are not classes. */
static status batch_accuracy(train_job *j, double *out, error *err)
{
    status st = OK;
    session *s = &j->session;
    const dataset *d = trainer_data(s->trainer);
    const data_options *o = dataset_options(d);
    const batcher_options bo = { .batch_size = o->batch_size,
        .shuffle = o->shuffle,
        .drop_last = o->drop_last,
        .seed = (uint64_t)value_find(config_root(s->config), "seed")->as.integer };
    batcher *batches = NULL;
    uint32_t *rows = NULL;
    batch b;
    const record_value *values;
    *out = NAN;
    if (dataset_view(d)->target != ASSAY_TARGET_CLASS || dataset_has_time(d)) {
        return OK; /* of sequences the loss says enough */
    }
    TRY(batcher_new(d, PART_TRAIN, &bo, &batches, err));
    batcher_get(batches, 0, 0, &b);
    rows = malloc((b.n + 1) * sizeof *rows);
    if (!rows) {
        TRY(fail_nomem(err, "a batch's rows"));
    }
    memcpy(rows, b.rows, b.n * sizeof *rows);
    qsort(rows, b.n, sizeof *rows, by_number);
    count c = { .data = dataset_view(d),
        .n_outputs = model_n_outputs(trainer_model(s->trainer)),
        .rows = rows,
        .n = b.n };
    const evaluator_options eo = { .each = count_rows, .self = &c };
    TRY(model_prepare(trainer_model(s->trainer), false, err));
    TRY(evaluator_collect_outputs(trainer_evaluator(s->trainer), err));
    TRY(trainer_evaluate(s->trainer, PART_TRAIN, &eo, &values, err));
    *out = c.n_seen ? (double)c.n_right / (double)c.n_seen : NAN;
done:
    batcher_free(batches);
    free(rows);
    return st;
}

static int judge(const train_job *j, double accuracy)
{
    const progress *p = &j->progress;
    const double fall = p->first_loss / p->training_loss;
    const bool fell = fall >= enough_fall || p->training_loss <= 0, all_right = accuracy >= 1;
    text t = { 0 };
    text_printf(&t, "  one batch of %zu samples, %llu steps\n",
        trainer_batch_size(j->session.trainer), (unsigned long long)j->result.step);
    text_printf(&t, "  loss        %.4g at first, %.4g at last: ", p->first_loss, p->training_loss);
    text_printf(&t,
        fall >= 100     ? "%.0f times smaller\n"
            : fall >= 1 ? "%.3g times smaller\n"
                        : "it did not fall\n",
        fall);
    if (!isnan(accuracy)) text_printf(&t, "  accuracy    %.4f on this batch\n", accuracy);
    if (fell || all_right) {
        text_add(&t, "  the model can learn this batch by heart\n");
    } else {
        text_printf(&t,
            "  the model does not learn it by heart: expected a loss %g times smaller or every "
            "sample right; look at the model, the learning rate and the data\n",
            enough_fall);
    }
    const int code = cli_put(j->cli, &t);
    return code != EXIT_DONE ? code : fell || all_right ? EXIT_DONE : EXIT_FAILED;
}

status overfit(train_job *j, error *err)
{
    double accuracy;
    status st = OK;
    TRY(trainer_run(j->session.trainer, &j->result, err));
    progress_close(&j->progress);
    if (j->result.stop == STOP_DIVERGED) {
        TRY(fail(err, E_NUMERIC, "the run diverged at %s", j->result.diverged));
    }
    if (j->result.stop == STOP_INTERRUPTED) {
        TRY(fail(err, E_INTERRUPTED, "interrupted"));
    }
    TRY(batch_accuracy(j, &accuracy, err));
    j->code = judge(j, accuracy);
done:
    return st;
}
