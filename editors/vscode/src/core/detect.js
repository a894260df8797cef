// @ts-check
'use strict';

/** How sops's metadata stand in YAML, JSON, dotenv and INI files. */
const metadata = [/^sops:[ \t]*\r?$/m, /^[ \t]*"sops"[ \t]*:[ \t]*\{/m, /"sops"[ \t]*:[ \t]*\{[ \t\r\n]*"/, /^sops_mac=/m, /^\[sops\][ \t]*\r?$/m];

/**
 * Tells whether a text is a sealed file: it has sops's metadata, and a MAC, which is
 * always a sealed value. This only decides what to offer; gitseal looks closer.
 * @param {string} text
 */
function isSealed(text) {
    return text.includes('ENC[AES256_GCM,') && metadata.some(pattern => pattern.test(text));
}

module.exports = { isSealed };
