// @ts-check
'use strict';

const { EventEmitter } = require('node:events');
const { PassThrough } = require('node:stream');

/**
 * Makes a spawn that answers from a list, and keeps what it was called with.
 * @param {{code?: number | null, stdout?: string | Buffer, stderr?: string, hangs?: boolean, error?: Error}[]} answers
 */
function fakeSpawn(answers) {
    /** @type {{program: string, args: string[], options: any, input: string, killed: boolean}[]} */
    const calls = [];
    /** @param {string} program @param {string[]} args @param {any} options */
    const spawn = (program, args, options) => {
        const answer = answers.shift();
        if (!answer) {
            throw new Error(`unexpected call: ${args.join(' ')}`);
        }
        const call = { program, args, options, input: '', killed: false };
        calls.push(call);
        const child = Object.assign(new EventEmitter(), {
            stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(),
            kill: () => (call.killed = true),
        });
        child.stdin.on('data', data => (call.input += data));
        child.stdin.on('end', () => {
            if (answer.hangs) {
                return;
            }
            if (answer.error) {
                child.emit('error', answer.error);
                return;
            }
            child.stdout.end(answer.stdout ?? '');
            child.stderr.end(answer.stderr ?? '');
            setImmediate(() => child.emit('close', answer.code === undefined ? 0 : answer.code, answer.code === null ? 'SIGKILL' : null));
        });
        return child;
    };
    return { spawn: /** @type {any} */ (spawn), calls };
}

module.exports = { fakeSpawn };
