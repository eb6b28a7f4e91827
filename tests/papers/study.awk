# A number of a study, from what `assay study show --trials --csv` prints.
#
#   ask=evaluations   the quantity in each evaluation
#   ask=winners       the quantity in the best trial of each tuning, best by the same quantity
#   ask=best_of       of each tuning: what the best of k trials can be expected to have (below)
#   ask=explained     the share of the quantity's variance that one dimension explains, over the trials of all tunings (below)
#
# and contender, quantity, k, dimension. Prints one number for each evaluation or tuning, in that order, "-" for one that has no value.
# A quantity is a column; of <part>.error, 100 (1 - accuracy). With best. before it, it is that at the best check, which is that at the
# end where no column says otherwise. Larger is better of an accuracy, else smaller. A trial without a value (it failed or diverged)
# counts as the worst of its contender that have one.
#
# Expected best of k: over all sets of k of the n trials, each as likely. With the trials from the best, number 1, to the worst, number i
# is the best of C(n - i, k - 1) sets of C(n, k); this is what Bergstra and Bengio (2012, section 2.1) estimate by cutting the n trials
# into n / k experiments, over all ways to cut.
#
# Share explained: trials are put into groups by the dimension, one for each value where there are no more than 8, else into 8 of equal
# number by rank. The share is epsilon squared (Kelley 1935): 1 - (mean square within groups) / (mean square over all), the analysis
# of variance's R^2 corrected for what groups explain by chance; of a dimension without influence it is 0 on average and may be below.

function die(what) {
    print "tests/papers/study.awk: " what > "/dev/stderr"
    failed = 1
    exit 2
}

# Cuts a line of comma-separated values, as RFC 4180 has them, into cell[1..]. Returns their number.
function cut(line, cell,    n, rest) {
    for (n = 1;; n++) {
        if (line ~ /^"/) {
            match(line, /^"([^"]|"")*"/)
            cell[n] = substr(line, 2, RLENGTH - 2)
            gsub(/""/, "\"", cell[n])
            rest = substr(line, RLENGTH + 1)
        } else {
            match(line, /^[^,]*/)
            cell[n] = substr(line, 1, RLENGTH)
            rest = substr(line, RLENGTH + 1)
        }
        if (rest == "") return n
        line = substr(rest, 2)
    }
}

# The value of a key in a line of JSON, whose keys may hold any character.
function parameter(json, key,    at, rest) {
    at = index(json, "\"" key "\": ")
    if (!at) return ""
    rest = substr(json, at + length(key) + 4)
    match(rest, /^[^,}]*/)
    return substr(rest, 1, RLENGTH)
}

# The quantity in the current row, "" where it has none.
function measured(    name, is_error, is_best, v) {
    name = quantity
    is_best = sub(/^best\./, "", name)
    is_error = sub(/\.error$/, ".accuracy", name)
    if (!(name in column)) die("there is no column " name)
    if (is_best && ("best." name) in column) v = cell[column["best." name]]
    if (v == "") v = cell[column[name]]
    if (v == "") return ""
    return is_error ? 100 * (1 - v) : v + 0
}

function is_better(a, b) {
    return quantity ~ /accuracy$/ ? a > b : a < b
}

# Sorts numbers[low..high], and mates with them, ascending.
function sort(numbers, mates, low, high,    i, j, x, m) {
    for (i = low + 1; i <= high; i++) {
        x = numbers[i]
        m = mates[i]
        for (j = i - 1; j >= low && numbers[j] > x; j--) {
            numbers[j + 1] = numbers[j]
            mates[j + 1] = mates[j]
        }
        numbers[j + 1] = x
        mates[j + 1] = m
    }
}

# Of tuning t.
function best_of(k, t,    i, n, sign, v, mates, chance, sum) {
    n = n_of[t]
    if (k > n) die("a tuning has " n " trials, not " k)
    sign = is_better(1, 0) ? -1 : 1
    for (i = 1; i <= n; i++) v[i] = sign * value[trial[t, i]]
    sort(v, mates, 1, n)
    chance = k / n # C(n - 1, k - 1) / C(n, k)
    for (i = 1; i <= n - k + 1; i++) {
        sum += chance * sign * v[i]
        chance *= (n - i - k + 1) / (n - i)
    }
    return sum
}

function explained(    i, g, x, v, sum, n, n_values, n_groups, known, group, mean, total, within) {
    for (i = 1; i <= n_trials; i++) {
        x[i] = setting[i]
        v[i] = value[i]
        if (x[i] == "") die("there is no dimension " dimension)
        if (!(x[i] in known)) { known[x[i]] = 1; n_values++ }
        mean += v[i] / n_trials
    }
    if (n_values > 8) {
        for (i = 1; i <= n_trials; i++) x[i] += 0
        sort(x, v, 1, n_trials)
    }
    for (i = 1; i <= n_trials; i++) {
        g = n_values > 8 ? int(8 * (i - 1) / n_trials) : x[i]
        group[i] = g
        if (!(g in n)) n_groups++
        n[g]++
        sum[g] += v[i]
        total += (v[i] - mean) ^ 2
    }
    for (i = 1; i <= n_trials; i++) within += (v[i] - sum[group[i]] / n[group[i]]) ^ 2
    return 1 - within / (n_trials - n_groups) / (total / (n_trials - 1))
}

NR == 1 {
    n_columns = cut($0, cell)
    for (i = 1; i <= n_columns; i++) column[cell[i]] = i
    next
}
{
    if (cut($0, cell) != n_columns) die("line " NR " has not " n_columns " cells")
    if (cell[column["contender"]] != contender) next
    is_evaluation = cell[column["phase"]] == "evaluation"
    if (is_evaluation != (ask == "evaluations")) next
    v = measured()
    if (is_evaluation) {
        printf "%s ", v == "" ? "-" : v
        next
    }
    t = cell[column["repeat"]] + 1
    if (t > n_tunings) n_tunings = t
    trial[t, ++n_of[t]] = ++n_trials
    setting[n_trials] = parameter(cell[column["params"]], dimension)
    value[n_trials] = v
    if (v != "" && (worst == "" || is_better(worst, v))) worst = v
}
END {
    if (failed) exit 2
    if (!n_trials || worst == "") exit 0
    for (i = 1; i <= n_trials; i++) if (value[i] == "") value[i] = worst
    if (ask == "explained") printf "%.4g ", explained()
    else for (t = 1; t <= n_tunings; t++) printf "%.6g ", best_of(ask == "winners" ? n_of[t] : k, t)
}
