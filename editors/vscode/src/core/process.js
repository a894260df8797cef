// @ts-check
'use strict';

const fs = require('node:fs');
const path = require('node:path');

/**
 * What a program said.
 * @typedef {{code: number, stdout: Buffer, stderr: string}} Result
 */

/**
 * What a program is to be run with. Values go into it by `input` alone: arguments and
 * variables are visible to others.
 * @typedef {object} Job
 * @property {string} program absolute path
 * @property {string[]} args
 * @property {string} cwd
 * @property {Buffer} [input] what it reads; nothing if not given
 * @property {number} timeout in milliseconds
 */

/** How much of an answer is kept: more than the largest file that gitseal takes. */
const maxOutput = 300 << 20;

/** A program that could not be started, or did not come to an end. */
class RunError extends Error {}

/**
 * Runs a program without a shell and without a terminal that it could ask on.
 * @param {typeof import('node:child_process').spawn} spawn
 * @param {Job} job
 * @returns {Promise<Result>} also if the program fails
 * @throws {RunError} if there is no result
 */
function run(spawn, job) {
    return new Promise((resolve, reject) => {
        // A session of its own has no controlling terminal.
        const detached = process.platform !== 'win32';
        const child = spawn(job.program, job.args, { cwd: job.cwd, shell: false, windowsHide: true, detached, stdio: ['pipe', 'pipe', 'pipe'] });
        /** @type {Buffer[]} */
        const out = [];
        /** @type {Buffer[]} */
        const err = [];
        let size = 0;
        /** @param {string} why */
        const stop = why => {
            kill(child, detached);
            reject(new RunError(why));
        };
        const timer = setTimeout(() => stop(`gitseal has not answered for ${job.timeout / 1000} seconds`), job.timeout);
        /** @param {Buffer[]} list */
        const collect = list => (/** @type {Buffer} */ chunk) => {
            size += chunk.length;
            if (size > maxOutput) {
                stop('gitseal says more than a file can hold');
                return;
            }
            list.push(chunk);
        };
        child.stdout.on('data', collect(out));
        child.stderr.on('data', collect(err));
        child.on('error', error => {
            clearTimeout(timer);
            reject(new RunError(`gitseal cannot be started: ${error.message}`));
        });
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            if (code === null) {
                reject(new RunError(`gitseal was ended by ${signal}`));
                return;
            }
            resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8') });
        });
        // A program that does not want its input closes it; what it says counts.
        child.stdin.on('error', () => {});
        child.stdin.end(job.input ?? Buffer.alloc(0));
    });
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {boolean} group whether it leads a group of processes, such as plugins
 */
function kill(child, group) {
    try {
        if (group && child.pid) {
            process.kill(-child.pid, 'SIGKILL');
            return;
        }
    } catch {
        // It has ended meanwhile, or has no group.
    }
    child.kill('SIGKILL');
}

/**
 * Finds a program in the PATH. Systems that look into the current folder first would
 * run what a repository holds; this does not, and passes over relative folders.
 * @param {string} name a name, or an absolute path
 * @param {NodeJS.ProcessEnv} env
 * @returns {string} an absolute path
 * @throws {RunError} if there is none
 */
function locate(name, env) {
    if (path.isAbsolute(name)) {
        return name;
    }
    if (name === '' || name !== path.basename(name)) {
        throw new RunError('gitseal.path is neither an absolute path nor a name in the PATH');
    }
    const suffixes = process.platform === 'win32' && !/\.exe$/i.test(name) ? ['.exe'] : [''];
    const search = env.PATH ?? env.Path ?? '';
    for (const folder of search.split(path.delimiter)) {
        if (!path.isAbsolute(folder)) {
            continue;
        }
        for (const suffix of suffixes) {
            const candidate = path.join(folder, name + suffix);
            if (isProgram(candidate)) {
                return candidate;
            }
        }
    }
    throw new RunError(`${name} is not in the PATH; install it, or name it in the setting gitseal.path`);
}

/** @param {string} file */
function isProgram(file) {
    try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
    } catch {
        return false;
    }
}

module.exports = { run, locate, RunError };
