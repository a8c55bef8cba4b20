// What node programs do while their code is hot: objects and closures, typed arrays, strings, a map, JSON, regular
// expressions. The argument is how often.
"use strict";

function makeRandom(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % n;
  };
}

class Body {
  constructor(x, y, vx, vy) {
    this.x = x;
    this.y = y;
    this.vx = vx;
    this.vy = vy;
  }
  pull(other, step) {
    const dx = other.x - this.x, dy = other.y - this.y;
    const force = step / (dx * dx + dy * dy + 0.5);
    this.vx += dx * force;
    this.vy += dy * force;
  }
  move(step) {
    this.x += this.vx * step;
    this.y += this.vy * step;
  }
}

function orbits(count, steps) {
  const random = makeRandom(7), bodies = [];
  for (let i = 0; i < count; i++) bodies.push(new Body(random(100), random(100), 0, 0));
  for (let step = 0; step < steps; step++) {
    for (const a of bodies) for (const b of bodies) if (a !== b) a.pull(b, 0.01);
    for (const a of bodies) a.move(0.01);
  }
  return bodies.reduce((sum, b) => sum + b.x * b.y, 0);
}

function primes(limit) {
  const composite = new Uint8Array(limit + 1);
  let count = 0;
  for (let i = 2; i <= limit; i++) {
    if (composite[i]) continue;
    count++;
    for (let j = i * i; j <= limit; j += i) composite[j] = 1;
  }
  return count;
}

function words(count) {
  const random = makeRandom(12345), counts = new Map();
  for (let i = 0; i < count; i++) {
    const word = String.fromCharCode(97 + random(26), 97 + random(6), 97 + random(4));
    counts.set(word, (counts.get(word) || 0) + 1);
  }
  const ranked = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const text = JSON.stringify(ranked.map(([word, times]) => ({ word, times })));
  const vowels = text.replace(/[aeiou]+/g, (run) => run.toUpperCase()).match(/[AEIOU]/g).length;
  return `${ranked.length} ${ranked.slice(0, 4).join(" ")} ${vowels} ${JSON.parse(text).length}`;
}

const rounds = Number(process.argv[2]);
let last;
for (let i = 0; i < rounds; i++) last = [orbits(40, 150).toFixed(6), primes(300000), words(30000)];
console.log(last.join(" | "));
