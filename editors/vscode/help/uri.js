// @ts-check
'use strict';

const path = require('node:path');

/** As much of vscode.Uri as the extension uses. */
class Uri {
    /** @param {{scheme: string, path: string, fragment?: string}} parts */
    constructor(parts) {
        this.scheme = parts.scheme;
        this.path = parts.path;
        this.fragment = parts.fragment ?? '';
    }

    get fsPath() {
        return this.path;
    }

    /** @param {string} file */
    static file(file) {
        return new Uri({ scheme: 'file', path: file });
    }

    /** @param {string} text */
    static parse(text) {
        const [, scheme, place, , fragment] = /** @type {RegExpExecArray} */ (/^([a-z-]+):\/\/([^#]*)(#(.*))?$/.exec(text));
        return new Uri({ scheme, path: decodeURIComponent(place), fragment: decodeURIComponent(fragment ?? '') });
    }

    /** @param {Uri} base @param {...string} names */
    static joinPath(base, ...names) {
        return base.with({ path: path.posix.join(base.path, ...names) });
    }

    /** @param {Partial<Uri>} change */
    with(change) {
        return new Uri({ scheme: change.scheme ?? this.scheme, path: change.path ?? this.path, fragment: change.fragment ?? this.fragment });
    }

    toString() {
        const place = this.path.split('/').map(encodeURIComponent).join('/');
        return `${this.scheme}://${place}${this.fragment ? '#' + encodeURIComponent(this.fragment) : ''}`;
    }
}

module.exports = { Uri };
