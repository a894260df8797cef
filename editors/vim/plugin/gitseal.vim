" gitseal: edit sealed files in Vim and Neovim, with plaintext in memory only.
" See doc/gitseal.txt.

if exists('g:loaded_gitseal') || &compatible
  finish
endif
let g:loaded_gitseal = 1

if !has('nvim-0.7') && !(v:version >= 802 && has('job') && has('channel'))
  " Without jobs, Vim would hand text to programs through temporary files.
  finish
endif

" The text of every file that is opened is looked at, so this has to be cheap: most
" files hold no sealed value at all.
function! s:IsSealed() abort
  return (&buftype ==# '' || exists('b:gitseal')) && expand('%') !~# '^\a\{2,}://' && !empty(expand('%'))
        \ && search('ENC\[AES256_GCM,data:', 'cnw') > 0
        \ && search('\v^sops:|"sops"\s*:|^sops_mac\=|^\[sops\]', 'cnw') > 0
endfunction

augroup gitseal
  autocmd!
  autocmd BufReadPost * if s:IsSealed() | call gitseal#Opened()
        \ | elseif exists('#gitseal_buffer#BufWriteCmd#<buffer>') | call gitseal#Reset() | endif
augroup END

command! -bar GitsealOpen call gitseal#Plain()
command! -bar GitsealRedacted call gitseal#Redacted()
command! -bar -nargs=1 GitsealSet call gitseal#Set(<q-args>)
