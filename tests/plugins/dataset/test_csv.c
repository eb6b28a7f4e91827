/* The csv dataset: what it makes of real tables, of each way to write one, and what it says of bad ones. */
#include "core/data/fixture.h"

#include <locale.h>

static const float *x_of(const dataset *d, size_t row)
{
    const assay_data *v = dataset_view(d);
    return (const float *)(const void *)((const unsigned char *)v->x + row * v->x_stride);
}

/* The index of a feature, by name. */
static size_t feature(const dataset *d, const char *name)
{
    for (size_t i = 0; i < dataset_features(d); i++) {
        if (strcmp(dataset_view(d)->feature_names[i], name) == 0) return i;
    }
    fail_msg("no feature %s", name);
    return 0;
}

static void test_csv__reads_the_digits(void **state)
{
    const dataset *d =
        fixture_open(*state, "type = \"csv\"; file = \"@/digits.csv\"; target = \"digit\";");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 1797);
    assert_int_equal(dataset_features(d), 64);
    assert_int_equal(v->n_classes, 10);
    assert_string_equal(v->class_names[7], "7");
    assert_int_equal(v->x_dtype, ASSAY_F32);
    assert_int_equal(v->x_writable, 1);
    /* the first line: 0,0,5,13,9,1,... and digit 0 */
    assert_true(x_of(d, 0)[2] == 5 && x_of(d, 0)[3] == 13 && x_of(d, 0)[5] == 1);
    assert_int_equal(v->label[0], 0);
    assert_int_equal(v->label[1], 1);
    assert_int_equal(v->n_files, 1);
}

static void test_csv__reads_the_iris(void **state)
{
    const dataset *d = fixture_open(*state, "type = \"csv\"; file = \"@/iris.csv\";");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 150);
    assert_int_equal(v->n_classes, 3);
    assert_string_equal(v->class_names[0], "setosa");
    assert_string_equal(v->class_names[2], "virginica");
    assert_string_equal(v->feature_names[1], "sepal_width_cm");
    assert_true(x_of(d, 0)[0] == 5.1f && x_of(d, 0)[3] == 0.2f);
}

static void test_csv__auto_mpg_has_missing_values_and_text(void **state)
{
    NEEDS_SHARED("tables/auto-mpg.csv");
    fixture *f = *state;
    const dataset *d = fixture_open(f,
        "type = \"csv\"; file = \"#/tables/auto-mpg.csv\"; target = \"mpg\"; drop = ( \"name\" ); "
        "missing = \"drop\";");
    assert_int_equal(dataset_view(d)->n_samples, 392);
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_REAL);
    assert_true(dataset_view(d)->targets[0] == 18.0f);
    assert_int_equal(dataset_features(d), 9);
    assert_non_null(strstr(f->log, "6 rows with missing values were dropped"));
    assert_true(x_of(d, 0)[feature(d, "origin=usa")] == 1);
    assert_true(x_of(d, 0)[feature(d, "origin=japan")] == 0);
    d = fixture_open(f,
        "type = \"csv\"; file = \"#/tables/auto-mpg.csv\"; target = \"mpg\"; drop = ( \"name\" ); "
        "missing = \"mean\";");
    assert_int_equal(dataset_view(d)->n_samples, 398);
    /* the mean of the 392 known values, 40952 / 392 */
    assert_near(x_of(d, 32)[feature(d, "horsepower")], 104.46939, 1e-4);
    fixture_refuse(f, "type = \"csv\"; file = \"#/tables/auto-mpg.csv\"; target = \"mpg\";",
        E_PARSE, "auto-mpg.csv:34: column \"horsepower\": a missing value");
}

static void test_csv__warns_about_a_name_column(void **state)
{
    NEEDS_SHARED("tables/auto-mpg.csv");
    fixture *f = *state;
    fixture_open(f,
        "type = \"csv\"; file = \"#/tables/auto-mpg.csv\"; target = \"mpg\"; missing = \"mean\";");
    assert_non_null(strstr(f->log, "column \"name\" has 305 different texts in 398 rows"));
}

static void test_csv__penguins(void **state)
{
    NEEDS_SHARED("tables/penguins.csv");
    fixture *f = *state;
    const dataset *d = fixture_open(f,
        "type = \"csv\"; file = \"#/tables/penguins.csv\"; target = \"species\"; missing = "
        "\"mean\"; standardize = true;");
    assert_int_equal(dataset_view(d)->n_samples, 344);
    assert_int_equal(dataset_features(d), 9);
    /* line 5 has nothing but species and island: numbers become the mean (0 here), sex how frequent each is */
    const float *x = x_of(d, 3);
    assert_true(x[feature(d, "bill_length_mm")] == 0);
    assert_near(x[feature(d, "sex=MALE")], 168.0 / 333, 1e-6);
    assert_near(x[feature(d, "sex=FEMALE")], 165.0 / 333, 1e-6);
    assert_true(x[feature(d, "island=Torgersen")] == 1);
    d = fixture_open(f,
        "type = \"csv\"; file = \"#/tables/penguins.csv\"; target = \"species\"; missing = "
        "\"drop\";");
    assert_int_equal(dataset_view(d)->n_samples, 333);
}

static void test_csv__california_housing(void **state)
{
    NEEDS_SHARED("tables/california-housing.csv");
    fixture *f = *state;
    const dataset *d = fixture_open(f,
        "type = \"csv\"; file = \"#/tables/california-housing.csv\"; target = "
        "\"median_house_value\"; missing = \"drop\";");
    assert_int_equal(dataset_view(d)->n_samples, 20640 - 207);
    assert_int_equal(dataset_features(d), 8 + 5);
    assert_true(x_of(d, 0)[feature(d, "ocean_proximity=NEAR BAY")] == 1);
    assert_true(x_of(d, 0)[0] == -122.23f);
}

static void test_csv__auto_imports_has_no_header(void **state)
{
    NEEDS_SHARED("tables/auto-imports.csv");
    fixture *f = *state;
    const dataset *d = fixture_open(
        f, "type = \"csv\"; file = \"#/tables/auto-imports.csv\"; missing = \"mean\";");
    assert_int_equal(dataset_view(d)->n_samples, 201);
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_REAL);
    assert_true(dataset_view(d)->targets[0] == 13495);
    assert_true(x_of(d, 0)[feature(d, "2=alfa-romero")] == 1);
}

static void test_csv__airline_has_crlf_and_no_final_newline(void **state)
{
    NEEDS_SHARED("series/airline-passengers.csv");
    fixture *f = *state;
    const dataset *d =
        fixture_open(f, "type = \"csv\"; file = \"#/series/airline-passengers.csv\";");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 144);
    assert_string_equal(v->target_names[0], "Passengers");
    assert_true(v->targets[0] == 112 && v->targets[143] == 432);
    assert_string_equal(v->feature_names[0], "Month=1949-01");
}

/* One small table in many spellings: two numbers, a quoted text, two classes. */
static void check_spelling(fixture *f, const char *content, const char *more)
{
    char inside[400];
    fixture_write(f, "t.csv", content);
    snprintf(inside, sizeof(inside), "type = \"csv\"; file = \"$/t.csv\"; %s", more);
    const dataset *d = fixture_open(f, inside);
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 4);
    assert_int_equal(dataset_features(d), 4);
    assert_true(x_of(d, 0)[0] == -0.731f && x_of(d, 3)[1] == 2.385e3f);
    assert_true(x_of(d, 1)[2] == 1 && x_of(d, 1)[3] == 0);
    assert_int_equal(v->label[0], 1);
    assert_int_equal(v->label[2], 0);
    assert_string_equal(v->class_names[0], "no");
}

static void test_csv__spellings_of_one_table(void **state)
{
    fixture *f = *state;
    check_spelling(f,
        "a,b,c,t\n-0.731,1,\"x, y\",yes\n1.5,2,\"a \"\"q\"\"\",yes\n2,3,\"x, "
        "y\",no\n3,2.385e3,\"x, y\",no\n",
        "");
    check_spelling(f,
        "\xEF\xBB\xBF"
        "a,b,c,t\r\n-0.731,1,\"x, y\",yes\r\n1.5,2,a,yes\r\n2,3,\"x, y\",no\r\n3,+2385.0,\"x, "
        "y\",no",
        "");
    check_spelling(
        f, "a;b;c;t\n-.731;1;x;yes\n1.5;2;a;yes\n\n2;3;x;no\n3;2385.;x;no\n", "separator = \";\";");
    check_spelling(f,
        "a\tb\tc\tt\n-0.731\t1\tx\tyes\n1.5\t2\ta\tyes\n2\t3\tx\tno\n3\t2385\tx\tno\n",
        "separator = \"tab\";");
    check_spelling(f,
        "a\tb\tc\tt\n-0.731\t1\tx\tyes\n1.5\t2\ta\tyes\n2\t3\tx\tno\n3\t2385\tx\tno\n",
        "separator = \"auto\";");
    check_spelling(f,
        "-0.731,1,\"line\nbreak\",yes\n1.5,2,a,yes\n2,3,\"line\nbreak\",no\n3,2385,\"line\nbreak\","
        "no\n",
        "header = \"no\"; target = \"3\";");
}

static void test_csv__numbers_are_right_to_the_last_bit(void **state)
{
    static const char *const spelled[] = { "0.1", "-123456.789e-3", "3.4028234e38", "1e-45",
        "8388608.5", "0.30000000000000004", "123456789012345678901234567890", "+7E2",
        "1.17549435e-38" };
    fixture *f = *state;
    text t;
    text_init(&t);
    text_add(&t, "a,t\n");
    for (size_t i = 0; i < 9; i++)
        text_printf(&t, "%s,%zu.5\n", spelled[i], i);
    fixture_write(f, "n.csv", t.s);
    text_release(&t);
    const dataset *d = fixture_open(f, "type = \"csv\"; file = \"$/n.csv\";");
    for (size_t i = 0; i < 9; i++)
        assert_true(x_of(d, i)[0] == (float)strtod(spelled[i], NULL));
}

static void test_csv__a_decimal_comma_locale_changes_nothing(void **state)
{
    fixture *f = *state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        print_message("skipped: no locale with a decimal comma\n");
        skip();
    }
    fixture_write(f, "l.csv", "a,t\n0.30000000000000004,1.5\n2.5,2.25\n");
    const dataset *d = fixture_open(f, "type = \"csv\"; file = \"$/l.csv\";");
    setlocale(LC_NUMERIC, "C");
    assert_true(x_of(d, 0)[0] == 0.3f && x_of(d, 1)[0] == 2.5f);
}

static void test_csv__categories_do_not_depend_on_row_order(void **state)
{
    fixture *f = *state;
    fixture_write(f, "o.csv", "c,n,t\nb,10,q\na,9,p\nc,10,q\nb,9,p\n");
    const dataset *d = fixture_open(
        f, "type = \"csv\"; file = \"$/o.csv\"; categorical = ( \"n\" ); target = \"t\";");
    const char *const names[] = { "c=a", "c=b", "c=c", "n=9", "n=10" };
    assert_int_equal(dataset_features(d), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(dataset_view(d)->feature_names[i], names[i]);
        assert_int_equal(dataset_view(d)->feature_flags[i], ASSAY_FEATURE_CATEGORY);
    }
    assert_string_equal(dataset_view(d)->class_names[0], "p");
}

static void test_csv__task_follows_its_rule(void **state)
{
    fixture *f = *state;
    fixture_write(
        f, "k.csv", "x,i,u,b,c,s\n1.5,2,1,0,1,n\n2.5,2,2,1,1,y\n3.5,7,3,0,0,n\n4.5,7,4,0,1,y\n");
    const dataset *d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"i\";");
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_CLASS);
    assert_string_equal(dataset_view(d)->class_names[1], "7");
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"u\";");
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_REAL); /* each value once */
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"x\";");
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_REAL);
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; targets = ( \"c\", \"b\" );");
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_BINARY);
    assert_int_equal(dataset_view(d)->n_targets, 2);
    assert_true(dataset_view(d)->targets[2] == 1 && dataset_view(d)->targets[3] == 1);
    assert_true(dataset_view(d)->targets[4] == 0 && dataset_view(d)->targets[5] == 0);
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; targets = ( \"x\", \"i\" );");
    assert_int_equal(dataset_view(d)->target, ASSAY_TARGET_REAL);
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"s\"; task = \"binary\";");
    assert_string_equal(dataset_view(d)->target_names[0], "s=y");
    assert_true(dataset_view(d)->targets[1] == 1 && dataset_view(d)->targets[2] == 0);
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"u\"; task = \"class\";");
    assert_int_equal(dataset_view(d)->n_classes, 4);
    d = fixture_open(f, "type = \"csv\"; file = \"$/k.csv\"; target = \"i\"; task = \"real\";");
    assert_true(dataset_view(d)->targets[2] == 7);
}

static void test_csv__weights_and_groups(void **state)
{
    fixture *f = *state;
    fixture_write(f, "w.csv", "x,w,g,t\n1.5,0.25,b,p\n2.5,2,a,q\n3.5,0,b,q\n");
    const dataset *d =
        fixture_open(f, "type = \"csv\"; file = \"$/w.csv\"; weight = \"w\"; group = \"g\";");
    const assay_data *v = dataset_view(d);
    assert_int_equal(dataset_features(d), 1);
    assert_true(v->weight[0] == 0.25f && v->weight[1] == 2 && v->weight[2] == 0);
    assert_true(v->group[0] == 1 && v->group[1] == 0 && v->group[2] == 1);
}

static void test_csv__files_of_their_own_are_parts(void **state)
{
    fixture *f = *state;
    fixture_write(f, "a.csv", "x,c,t\n1.5,u,p\n2.5,v,q\n3.5,u,q\n");
    fixture_write(f, "v.csv", "t,x,c\nq,4.5,v\n");
    fixture_write(f, "z.csv", "c,more,t,x\nnew,9,p,5.5\nu,9,q,6.5\nnew,8,q,7.5\n");
    const dataset *d = fixture_open(f,
        "type = \"csv\"; file = \"$/a.csv\"; validation_file = \"$/v.csv\"; test_file = "
        "\"$/z.csv\"; target = \"t\";");
    assert_int_equal(dataset_size(d, PART_TRAIN), 3);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 1);
    assert_int_equal(dataset_size(d, PART_TEST), 3);
    assert_int_equal(dataset_features(d), 3);
    const float *x = x_of(d, dataset_rows(d, PART_TEST)[0]);
    assert_true(x[0] == 5.5f && x[1] == 0 && x[2] == 0);
    assert_int_equal(dataset_view(d)->n_files, 3);
    const char *warning = strstr(f->log, "z.csv:2: column \"c\": \"new\" does not occur in a.csv");
    assert_non_null(warning);
    assert_null(strstr(strchr(warning, '\n'), "does not occur"));
    fixture_refuse(f,
        "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\"; target = \"t\"; split = { "
        "test = 0.3; };",
        E_CONFLICT, "the data has a file of its own for the test part");
    fixture_write(f, "z.csv", "x,c,t\n5.5,u,p\n6.5,u,r\n");
    fixture_refuse(f, "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\";", E_PARSE,
        "test_file: z.csv:3: column \"t\": class \"r\" does not occur in a.csv");
    fixture_write(f, "z.csv", "x,d,t\n5.5,u,p\n");
    fixture_refuse(f, "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\";", E_PARSE,
        "z.csv:1: has no column \"c\", which a.csv has");
    fixture_write(f, "z.csv", "x,c,t\noops,u,p\n");
    fixture_refuse(f, "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\";", E_PARSE,
        "z.csv:2: column \"x\": expected a number, found \"oops\"");
}

static void test_csv__a_test_file_without_the_target_counts_nothing(void **state)
{
    fixture *f = *state;
    fixture_write(f, "a.csv", "x,w,g,id,t\n1.5,0.25,b,1,p\n2.5,2,a,2,q\n3.5,1,b,3,q\n");
    fixture_write(f, "z.csv", "x\n5.5\n6.5\n");
    const dataset *d = fixture_open(f,
        "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\"; weight = \"w\"; group = "
        "\"g\"; drop = ( \"id\" );");
    const assay_data *v = dataset_view(d);
    assert_int_equal(dataset_size(d, PART_TEST), 2);
    assert_true(v->weight[1] == 2 && v->weight[3] == 0 && v->weight[4] == 0);
    assert_true(x_of(d, 4)[0] == 6.5f);
    assert_non_null(strstr(f->log, "z.csv has no column \"t\", the target"));
    fixture_write(f, "n.csv", "1,10,5\n2,20,6\n3,30,7\n");
    fixture_write(f, "m.csv", "4,8\n");
    d = fixture_open(f,
        "type = \"csv\"; file = \"$/n.csv\"; test_file = \"$/m.csv\"; target = \"1\"; task = "
        "\"real\";");
    v = dataset_view(d);
    assert_true(v->weight[0] == 1 && v->weight[3] == 0 && v->targets[3] == 0);
    assert_true(x_of(d, 3)[0] == 4 && x_of(d, 3)[1] == 8);

    fixture_refuse(f, "type = \"csv\"; file = \"$/a.csv\"; validation_file = \"$/z.csv\";", E_PARSE,
        "z.csv:1: has no column \"w\"");
    fixture_write(f, "z.csv", "x,t\n5.5,p\n");
    fixture_refuse(f,
        "type = \"csv\"; file = \"$/a.csv\"; test_file = \"$/z.csv\"; weight = \"w\"; drop = ( "
        "\"g\", \"id\" );",
        E_PARSE, "z.csv:1: has no column \"w\"");
}

/* Bad inputs: a table, what else the block says, and the message. */
static const struct bad_case {
    const char *content, *more;
    status st;
    const char *message;
} bad_cases[] = {
    { "a,t\n1,p\n2,q\nabc,p\n4,q\n", "", E_PARSE,
        "x.cfg:2: dataset \"csv\": file: bad.csv:4: column \"a\": expected a number, found "
        "\"abc\"" },
    { "a,b,t\n1,2,p\n1,2,q\n1,2\n", "", E_PARSE,
        "bad.csv:4: expected 3 fields as in the first row, found 2" },
    { "a,b,t\n\"1\n\",2,p\n\n1,2,q,9\n", "", E_PARSE,
        "bad.csv:5: expected 3 fields as in the first row, found 4" },
    { "species,t\n1,p\n2,q\n", "target = \"specis\";", E_RANGE,
        "target: bad.csv has no column \"specis\": did you mean \"species\"?" },
    { "a,t\n1,p\n2,q\n", "target = \"weather\";", E_RANGE,
        "has no column \"weather\": it has 2, from \"a\" to \"t\"" },
    { "a,t\n1,p\n2,q\n", "target = \"2\";", E_RANGE, "has no column \"2\"" },
    { "a,t\n1,p\n2,q\n", "drop = ( \"tt\" );", E_RANGE,
        "drop: bad.csv has no column \"tt\": did you mean \"t\"?" },
    { "a,t\n1,p\n2,q\n", "drop = ( \"t\" );", E_RANGE, "column \"t\" is named twice" },
    { "a,t\n1,p\n2,q\n", "weight = \"t\"; target = \"t\";", E_RANGE,
        "column \"t\" is named twice" },
    { "a,t\n1,p\n2,q\n", "target = \"t\"; targets = ( \"t\", \"a\" );", E_RANGE,
        "give one of the two" },
    { "a,t\n1,p\n2,q\n", "targets = ( \"t\", \"a\" ); task = \"class\";", E_RANGE,
        "classes come from one column" },
    { "a,t\n1,p\n2,q\n", "drop = ( \"a\" );", E_PARSE, "no column is a feature" },
    { "a,t\n1,p\n2,q\n", "separator = \"ab\";", E_RANGE, "separator: must be one character" },
    { "a,t\n1,p\n2,q\n", "missing = \"median\";", E_UNKNOWN, "median" },
    { "a,t\n1,p\n2,q\n", "tagret = \"t\";", E_UNKNOWN, "did you mean \"target\"?" },
    { "", "", E_PARSE, "bad.csv: the file is empty" },
    { "\n\n\r\n", "", E_PARSE, "bad.csv: the file is empty" },
    { "a,t\n", "", E_PARSE, "bad.csv:1: only a header, no rows below it" },
    { "a,a,t\n1,2,p\n2,3,q\n", "header = \"yes\";", E_PARSE,
        "bad.csv:1: two columns are named \"a\"" },
    { "a,t\n1,p\n\"2,q\n", "", E_PARSE, "bad.csv:3: a quoted field is never closed" },
    { "a,t\n1,p\nx\"y,q\n", "", E_PARSE, "bad.csv:3: a quote where none may be" },
    { "a;t\n1;p\n\"2\";q\n", "", E_PARSE,
        "bad.csv:1: is one field between separators \",\": should separator be \";\"?" },
    { "a\tt\n1\tp\n2\tq\n", "separator = \";\";", E_PARSE, "should separator be \"tab\"?" },
    { "a,t\n1,p\n2,q\n", "separator = \"tab\";", E_PARSE, "\"tab\": should separator be \",\"?" },
    { "\"a;t\"\n1\n2\n", "", E_PARSE, "no column is a feature" },
    { "a,t\n1,p\n,q\n", "", E_PARSE, "bad.csv:3: column \"a\": a missing value" },
    { "a,t\n1,p\n2,?\n", "missing = \"mean\";", E_PARSE,
        "bad.csv:3: column \"t\": a missing value, and no mean for it" },
    { "a,t\n?,p\nNA,q\n", "missing = \"mean\";", E_PARSE, "column \"a\": every value is missing" },
    { "a,b,t\n1,?,p\n?,2,q\n", "missing = \"drop\";", E_PARSE, "every row has a missing value" },
    { "a,t\n1,p\n1e39,q\n", "", E_PARSE,
        "bad.csv:3: column \"a\": 1e39 is too large for a 32-bit float" },
    { "a,t\n1,p\n2,p\n", "", E_PARSE, "column \"t\": every row is of one class" },
    { "a,t\n1,p\n2,q\n", "task = \"real\";", E_RANGE,
        "column \"t\" is a category, not real numbers" },
    { "a,t\n1,0\n2,0.5\n", "task = \"binary\";", E_PARSE,
        "bad.csv:3: column \"t\": expected 0 or 1 of a binary target, found 0.5" },
    { "a,t\n1,p\n2,q\n3,r\n", "task = \"binary\";", E_PARSE,
        "has two different texts, this has 3" },
    { "a,w,t\n1,1,p\n2,-0.5,q\n", "weight = \"w\";", E_PARSE,
        "bad.csv:3: column \"w\": weight -0.5 is negative" },
    { "a,w,t\n1,1,p\n2,much,q\n", "weight = \"w\";", E_PARSE,
        "bad.csv:3: column \"w\": expected a number, found \"much\"" },
};

static void test_csv__says_what_is_wrong_and_where(void **state)
{
    for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
        const struct bad_case *b = &bad_cases[i];
        char inside[300];
        fixture_write(*state, "bad.csv", b->content);
        snprintf(inside, sizeof(inside), "type = \"csv\"; file = \"$/bad.csv\"; %s", b->more);
        fixture_refuse(*state, inside, b->st, b->message);
    }
}

static void test_csv__refuses_what_it_cannot_read(void **state)
{
    fixture *f = *state;
    fixture_refuse(f, "type = \"csv\"; file = \"$/absent.csv\";", E_IO,
        "absent.csv: cannot be opened: No such file or directory");
    fixture_refuse(f, "type = \"csv\"; file = \"$\";", E_IO, "cannot be read: Is a directory");
    fixture_refuse(f, "type = \"csv\";", E_MISSING, "file");
    fixture_write_bytes(f, "u16.csv",
        "\xFF\xFE"
        "a\0,\0t\0\n\0",
        10);
    fixture_refuse(f, "type = \"csv\"; file = \"$/u16.csv\";", E_PARSE, "NUL bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_csv__reads_the_digits, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_csv__reads_the_iris, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__auto_mpg_has_missing_values_and_text, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__warns_about_a_name_column, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_csv__penguins, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__california_housing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__auto_imports_has_no_header, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__airline_has_crlf_and_no_final_newline, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__spellings_of_one_table, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__numbers_are_right_to_the_last_bit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__a_decimal_comma_locale_changes_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__categories_do_not_depend_on_row_order, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__task_follows_its_rule, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__weights_and_groups, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__files_of_their_own_are_parts, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_csv__a_test_file_without_the_target_counts_nothing,
            fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__says_what_is_wrong_and_where, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_csv__refuses_what_it_cannot_read, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
