// SPDX-License-Identifier: MIT
// Interpreted and compiled code, builtins with callbacks, regular expressions, the parser, buffers,
// streams of zlib: C++ called from V8's code and the other way round, in the main thread and in a
// worker.
const { Worker, isMainThread } = require('worker_threads');
const { createHash } = require('crypto');
const { gzipSync, gunzipSync } = require('zlib');

function work(rounds) {
    let sum = 0;
    for (let i = 0; i < rounds; i++) {
        const text = JSON.stringify(Array.from({ length: 50 }, (_, n) => ({ n, s: 'x'.repeat((n * i) % 99) })));
        const packed = gzipSync(Buffer.from(text));
        sum += packed.length + JSON.parse(gunzipSync(packed).toString()).length;
        sum += createHash('sha256').update(packed).digest('hex').charCodeAt(3);
        sum += new Function('a', `return a * ${i} + [3, 1, 2].sort((x, y) => x - y).length`)(i);
        sum += text.replace(new RegExp(`x{${i % 40}}`, 'g'), (m) => m.length).length;
        sum += [5, 3, i].map((n) => Buffer.alloc(20000 + n).length).sort()[0];
        sum += new TextDecoder('utf-16le').decode(new Uint16Array([65, 66, i % 9 + 65])).length;
    }
    return sum;
}

if (isMainThread)
    new Worker(__filename).on('exit', () => console.log(work(100)));
else
    work(50);
