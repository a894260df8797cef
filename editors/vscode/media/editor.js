// @ts-check
'use strict';

// The page in which a sealed file is edited. The text is in its field and nowhere
// else: setState would put it on the disk.
(function () {
    // @ts-ignore given by VS Code
    const host = acquireVsCodeApi();
    const { splice } = /** @type {any} */ (window);
    const field = /** @type {HTMLTextAreaElement} */ (document.getElementById('text'));
    let version = -1;
    let known = '';

    /** @param {{version: number, text: string, caret?: number}} message */
    function show(message) {
        const caret = message.caret ?? Math.min(field.selectionStart, message.text.length);
        const top = field.scrollTop;
        version = message.version;
        known = message.text;
        field.value = message.text;
        field.disabled = false;
        field.setSelectionRange(caret, caret);
        field.scrollTop = top;
    }

    /**
     * Puts the cursor where an error is.
     * @param {number} line from 1
     * @param {number} column from 1, in bytes
     */
    function place(line, column) {
        const lines = field.value.split('\n');
        if (line < 1 || line > lines.length) {
            return;
        }
        const bytes = new TextEncoder().encode(lines[line - 1]).slice(0, Math.max(0, column - 1));
        const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
        const caret = start + new TextDecoder().decode(bytes).length;
        field.focus();
        field.setSelectionRange(caret, start + lines[line - 1].length);
    }

    function changed() {
        const change = splice(known, field.value);
        if (change.removed === 0 && change.inserted === '') {
            return;
        }
        host.postMessage({ type: 'edit', base: version, ...change });
        version++;
        known = field.value;
    }

    /** @param {string} text */
    function insert(text) {
        field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
        changed();
    }

    let leaving = false;
    /** @param {KeyboardEvent} event */
    function pressed(event) {
        const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && !event.isComposing;
        if (plain && event.key === 'Tab' && !leaving) {
            event.preventDefault();
            insert('    ');
        } else if (plain && event.key === 'Enter') {
            event.preventDefault();
            const line = field.value.slice(0, field.selectionStart).split('\n').pop() ?? '';
            insert('\n' + (/^[ \t]*/.exec(line) ?? [''])[0]);
        }
        // Escape and then Tab leaves the field, for those who have only a keyboard.
        leaving = event.key === 'Escape';
    }

    field.addEventListener('input', changed);
    field.addEventListener('keydown', pressed);
    field.addEventListener('beforeinput', event => {
        // VS Code undoes and redoes, so that it knows whether there is something to save.
        if (event.inputType === 'historyUndo' || event.inputType === 'historyRedo') {
            event.preventDefault();
        }
    });
    window.addEventListener('message', event => {
        if (event.data.type === 'show') {
            show(event.data);
        } else if (event.data.type === 'place') {
            place(event.data.line, event.data.column);
        }
    });
    host.postMessage({ type: 'ready' });
})();
