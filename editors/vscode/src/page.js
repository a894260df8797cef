// @ts-check
'use strict';

const crypto = require('node:crypto');
const vscode = require('vscode');

/**
 * The page of the editor. It holds no text of the file, and may load nothing but its
 * own script and style.
 * @param {vscode.Webview} webview
 * @param {vscode.Uri} media
 */
function pageOf(webview, media) {
    const nonce = crypto.randomBytes(18).toString('base64');
    /** @param {string} name */
    const at = name => webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString();
    const policy = `default-src 'none'; base-uri 'none'; form-action 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${at('editor.css')}">
<title>gitseal</title>
</head>
<body>
<textarea id="text" disabled aria-label="Plain text of the sealed file" wrap="off" spellcheck="false" autocomplete="off" autocorrect="off" autocapitalize="off" translate="no" data-gramm="false" data-enable-grammarly="false"></textarea>
<script nonce="${nonce}" src="${at('splice.js')}"></script>
<script nonce="${nonce}" src="${at('editor.js')}"></script>
</body>
</html>`;
}

module.exports = { pageOf };
