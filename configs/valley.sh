#!/bin/sh
# Gradient descent with momentum on Rosenbrock's function, for tune-a-program.cfg: valley.sh LR MOMENTUM SEED.
exec awk -v lr="$1" -v momentum="$2" -v seed="$3" 'BEGIN {
    srand(seed)
    x = -1.5 + rand() / 5; y = 1.5 + rand() / 5
    for (step = 1; step <= 500; step++) {
        gx = -2 * (1 - x) - 400 * x * (y - x * x); gy = 200 * (y - x * x)
        vx = momentum * vx + gx; vy = momentum * vy + gy
        x -= lr * vx; y -= lr * vy
        loss = (1 - x) ^ 2 + 100 * (y - x * x) ^ 2
        if (!(loss < 1e12)) { print "{\"loss\": \"inf\"}"; exit }
        if (step % 50 == 0) printf "{\"step\": %d, \"loss\": %.9g}\n", step, loss
    }
}'
