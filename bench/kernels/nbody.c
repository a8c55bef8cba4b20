// Six bodies under gravity, leapfrog steps: multiplies, a square root and a division per pair. One round is
// one step; the energy is printed to six digits, far above what rounding can move.
#include "kernel.h"

#include <math.h>

enum { bodies = 6 };
struct body {
    double x, y, z, vx, vy, vz, mass;
};
static struct body body[bodies];

static void place(void) {
    body[0].mass = 40;
    for (int i = 1; i < bodies; i++) {
        double distance = 2.0 * i * i, speed = sqrt(body[0].mass / distance), turn = 0.25 * i;
        struct body* b = &body[i];
        b->x = distance * (1 - turn * turn) / (1 + turn * turn);
        b->y = distance * 2 * turn / (1 + turn * turn);
        b->z = 0.1 * i;
        b->vx = -speed * b->y / distance;
        b->vy = speed * b->x / distance;
        b->mass = 0.01 * i;
    }
}

static void step(double dt) {
    for (int i = 0; i < bodies; i++)
        for (int j = i + 1; j < bodies; j++) {
            struct body *p = &body[i], *q = &body[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = dt / (square * sqrt(square));
            p->vx -= dx * q->mass * pull;
            p->vy -= dy * q->mass * pull;
            p->vz -= dz * q->mass * pull;
            q->vx += dx * p->mass * pull;
            q->vy += dy * p->mass * pull;
            q->vz += dz * p->mass * pull;
        }
    for (int i = 0; i < bodies; i++) {
        body[i].x += dt * body[i].vx;
        body[i].y += dt * body[i].vy;
        body[i].z += dt * body[i].vz;
    }
}

static double energy(void) {
    double sum = 0;
    for (int i = 0; i < bodies; i++) {
        struct body* p = &body[i];
        sum += 0.5 * p->mass * (p->vx * p->vx + p->vy * p->vy + p->vz * p->vz);
        for (int j = i + 1; j < bodies; j++) {
            double dx = p->x - body[j].x, dy = p->y - body[j].y, dz = p->z - body[j].z;
            sum -= p->mass * body[j].mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return sum;
}

int main(int argc, char** argv) {
    uint64_t rounds = rounds_from(argc, argv);
    place();
    for (uint64_t i = 0; i < rounds; i++) step(0.0005);
    printf("energy %.6f\n", energy());
    return 0;
}
