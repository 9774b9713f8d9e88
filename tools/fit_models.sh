#!/bin/sh
# Makes models/*.model again, bit for bit, from data/ (test/e2e/fit_test.py compares all four).
# Usage: tools/fit_models.sh FARSPAN [FOLDER]
set -eu
cd "$(dirname "$0")/.."
farspan=${1:?path of the farspan program}
out=${2:-models}
mkdir -p "$out"

# Credit risk: ridge-weighted logistic regression; 30 % of the rows held back.
"$farspan" fit --kind logistic --l2 0.01 --data data/german-credit/german.data \
    --schema models/risk.schema --target risk --out "$out/risk.model"

# Handwritten digits: one hidden layer; tested on 13 writers whose hands it has not seen.
"$farspan" fit --kind mlp --hidden 48 --epochs 40 --vector --data data/optdigits/optdigits.tra \
    --test data/optdigits/optdigits.tes --schema models/digits.schema --target digit \
    --out "$out/digits.model"

# Segments: ten clusters of the same pictures, without their labels.
"$farspan" fit --kind kmeans --k 10 --vector --data data/optdigits/optdigits.tra \
    --test data/optdigits/optdigits.tes --schema models/segments.schema --out "$out/segments.model"

# Demand side of a plan: the electricity price of the next hour in the grid DE-LU. The last 30 % of the
# year are the test; the naive answer is "as now".
table=$(mktemp)
trap 'rm -f "$table"' EXIT
awk -F, '
    BEGIN { print "hour,weekday,price_now,price_hour_ago,price_day_before,price_next" }
    NR > 1 { price[NR - 2] = $2; stamp[NR - 2] = $1; count = NR - 1 }
    END {
        for (i = 23; i + 1 < count; i++) {
            if (price[i + 1] == "" || price[i] == "" || price[i - 1] == "" || price[i - 23] == "")
                continue
            hour = substr(stamp[i + 1], 12, 2)
            day = int((i + 1) / 24) % 7            # 2023 began on a Sunday
            printf "h%s,d%d,%s,%s,%s,%s\n", hour, day, price[i], price[i - 1], price[i - 23], price[i + 1]
        }
    }' data/grid/price-and-carbon-2023.csv >"$table"
"$farspan" fit --kind linear --last --data "$table" --schema models/demand.schema \
    --target price_next --baseline price_now --out "$out/demand.model"
