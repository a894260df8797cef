'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { Plaintext } = require('../src/core/plaintext');
const { splice } = require('../media/splice');

const samples = ['', '\n', 'a', 'a\nb', 'a\r\nb\r\n', 'a\rb\r', 'a\r\nb\nc\r\r\n\n', '\ufeffa\r\n', 'ü€😀\n', 'a\u2028b\u0085\n'];

test('what is not changed keeps every byte', () => {
    for (const text of samples) {
        const bytes = Buffer.from(text);
        assert.deepEqual(Plaintext.decode(bytes).encode(), bytes, JSON.stringify(text));
    }
});

test('bytes that are not text are refused', () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0x00]]) {
        assert.throws(() => Plaintext.decode(Buffer.from(bytes)), TypeError);
    }
});

test('new lines end as those around them', () => {
    const crlf = new Plaintext('a\r\nb\r\n');
    crlf.splice(4, 0, 'c\nd\n');
    assert.equal(crlf.encode().toString(), 'a\r\nb\r\nc\r\nd\r\n');
    const mixed = new Plaintext('a\nb\r\nc\n');
    mixed.splice(4, 1, 'x\ny'); // in the line after the CRLF
    assert.equal(mixed.encode().toString(), 'a\nb\r\nx\r\ny\n');
    const empty = new Plaintext('');
    empty.splice(0, 0, 'a\r\nb\n');
    assert.equal(empty.encode().toString(), 'a\nb\n');
});

test('impossible changes are refused', () => {
    const text = new Plaintext('abc');
    for (const [start, length] of [[-1, 0], [0, 4], [4, 0], [0.5, 0], [NaN, 0], ['0', 0]]) {
        assert.throws(() => text.splice(start, length, ''), RangeError);
    }
    assert.throws(() => text.undo({ start: 0, removed: '', inserted: 'x', removedEnds: [], insertedEnds: [] }), RangeError);
    assert.equal(text.encode().toString(), 'abc');
});

test('undo gives every byte back, and redo takes it again', () => {
    let seed = 7;
    const random = n => (seed = (seed * 48271) % 2147483647) % n;
    const pieces = ['', 'x', '\n', '\r\n', 'a\nb', '😀', '\n\n'];
    for (const sample of samples) {
        const text = new Plaintext(sample);
        const states = [text.encode().toString()];
        const steps = [];
        for (let i = 0; i < 40; i++) {
            const start = random(text.shown.length + 1);
            steps.push(text.splice(start, random(text.shown.length - start + 1), pieces[random(pieces.length)]));
            states.push(text.encode().toString());
        }
        for (let i = steps.length - 1; i >= 0; i--) {
            text.undo(steps[i]);
            assert.equal(text.encode().toString(), states[i]);
        }
        steps.forEach((step, i) => {
            text.redo(step);
            assert.equal(text.encode().toString(), states[i + 1]);
        });
    }
});

test('the change between two texts leads from one to the other, whole characters at a time', () => {
    const texts = ['', 'a', 'aa', 'aaa', 'ab', 'ba', 'a😀b', 'a😁b', 'a😀😀b', '😀', '🨀', 'a\nb\n'];
    for (const before of texts) {
        for (const after of texts) {
            const { start, removed, inserted } = splice(before, after);
            assert.equal(before.slice(0, start) + inserted + before.slice(start + removed), after, `${before} → ${after}`);
            assert.ok(inserted.isWellFormed?.() ?? true);
        }
    }
    assert.deepEqual(splice('a😀b', 'a😁b'), { start: 1, removed: 2, inserted: '😁' });
});
