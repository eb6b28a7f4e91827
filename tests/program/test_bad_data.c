/* Data that cannot be learned from, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "a table that is not there", "rm t.csv", NULL, NULL, { 0 }, 1,
        "bad.cfg:5: dataset \"csv\": file: t.csv: cannot be opened: No such file or directory: "
        "@DIR@/t.csv" },
    { "an empty table", ": > t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv: the file is empty" },
    { "a header and no rows", "sed -i 2,\\$d t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:1: only a header, no rows below it" },
    { "a row with a field too many", "sed -i '7s/$/,x/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: expected 3 fields as in the first row, found "
        "4" },
    { "text among numbers", "sed -i '7s/^[0-9.]*/warm/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: column \"a\": expected a number, found "
        "\"warm\": add it to missing_values, or the column to categorical or drop" },
    { "a missing value", "sed -i '7s/^[0-9.]*/NA/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: column \"a\": a missing value: set missing to "
        "\"drop\" or \"mean\", or drop the column" },
    { "a number that is infinite", "sed -i '7s/^[0-9.]*/1e99/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: column \"a\": 1e99 is too large for a 32-bit "
        "float" },
    { "a class that is missing", "sed -i '7s/[a-z]*$/NaN/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: column \"y\": a missing value: set missing to "
        "\"drop\" or \"mean\", or drop the column" },
    { "a quote that is never closed", "sed -i '7s/^/\"/' t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv:7: a quoted field is never closed" },
    { "a file of bytes", "head -c 300 \"$BUILD/assay\" > t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv: has NUL bytes, so it is not text in UTF-8: "
        "convert or unpack it first" },
    { "a target that is no column", NULL, "target = \"y\"", "target = \"colour\"", { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": target: t.csv has no column \"colour\": it has 3, from \"a\" "
        "to \"y\"" },
    { "a target that is nearly a column", "sed -i 1s/y/colour/ t.csv", "target = \"y\"",
        "target = \"color\"", { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": target: t.csv has no column \"color\": did you mean "
        "\"colour\"?" },
    { "one class", "sed -i 2,\\$s/[a-z]*\\$/red/ t.csv", NULL, NULL, { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": file: t.csv: column \"y\": every row is of one class" },
    { "classes where numbers are wanted", NULL, "target = \"y\"", "target = \"y\"; task = \"real\"",
        { 0 }, 2,
        "bad.cfg:5: dataset \"csv\": task: column \"y\" is a category, not real numbers" },
    { "fractions that leave nothing", NULL, "validation = 0.2; test = 0.2",
        "validation = 0.5; test = 0.5", { 0 }, 2,
        "bad.cfg:7: split: validation (15) and test (15) leave none of 30 samples for training" },
    { "a fraction above 1", NULL, "validation = 0.2", "validation = 1.5", { 0 }, 2,
        "bad.cfg:7: split.validation = 1.5: expected a fraction below 1 or a whole number of "
        "samples" },
    { "a class too rare to be split", "sed -i 4,31s/green/red/ t.csv", "seed = 0; validation",
        "seed = 0; method = \"stratified\"; validation", { 0 }, 2,
        "bad.cfg:7: class \"green\" has 1 samples, too few for the 3 parts of a stratified split" },
    { "a fold that is not there", NULL, "validation = 0.2", "folds = 3; fold = 3", { 0 }, 2,
        "bad.cfg:7: split.fold = 3: expected 0 to 2, as there are 3 folds" },
    { "an unknown way to split", NULL, "seed = 0; validation",
        "seed = 0; method = \"stratifed\"; validation", { 0 }, 2,
        "bad.cfg:7: data.split: method: expected one of random | stratified | time, found "
        "\"stratifed\": did you mean \"stratified\"?" },
    { "images that are not there", NULL, "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 1,
        "bad.cfg:5: dataset \"idx\": images: i: cannot be opened: No such file or directory: "
        "@DIR@/i" },
    { "images cut short",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; truncate -s 30 i",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: the file ends before its last value" },
    { "a header cut short",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; truncate -s 9 i",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: the file ends before its last value" },
    { "a file with another magic number",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; printf '\\211PNG' | dd of=i "
        "conv=notrunc status=none",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: not an IDX file: it does not begin with 0, 0" },
    { "floats where bytes are expected",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; printf '\\0\\0\\15\\3' | dd "
        "of=i conv=notrunc status=none",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: IDX of another type than unsigned bytes" },
    { "labels given as images",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; mv l i2; mv i l; mv i2 i",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: 1 dimensions where images, with two to five, are "
        "expected: is it the labels?" },
    { "fewer labels than images",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\5\\0\\1\\2\\0\\1' > l",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": labels: l: 5 labels for 6 images of i" },
    { "bytes after the last image",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; printf x >> i",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: has bytes after its last value" },
    { "a damaged gzip",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; gzip -n i; mv i.gz i; printf "
        "'xx' | dd of=i bs=1 seek=20 conv=notrunc status=none",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\";", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": images: i: @DIR@/i: invalid distance too far back" },
    { "a label outside the classes",
        "printf '\\0\\0\\10\\3\\0\\0\\0\\6\\0\\0\\0\\2\\0\\0\\0\\2abcdefghijklmnopqrstuvwx' > i; "
        "printf '\\0\\0\\10\\1\\0\\0\\0\\6\\0\\1\\2\\0\\1\\2' > l; ",
        "type = \"csv\"; file = \"t.csv\"; target = \"y\";",
        "type = \"idx\"; images = \"i\"; labels = \"l\"; classes = 2;", { 0 }, 2,
        "bad.cfg:5: dataset \"idx\": labels: l: label 2 of sample 2 is outside 0 to 1" },
};

static void test_bad_data__is_told_by_file_and_line(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_data__is_told_by_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
