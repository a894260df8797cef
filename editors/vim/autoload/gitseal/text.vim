" Between the bytes of a plain file and the text of a buffer. What a buffer cannot
" show is kept in its options, so that writing gives the same bytes again.

" gitseal#text#Fill makes the lines, see run.vim, the text of the buffer, and nothing
" else: no undo leads back to what was there, and 'readonly' and 'modifiable' stay as
" the user has them (vim -R, vim -M).
function! gitseal#text#Fill(bytes) abort
  let l:lines = copy(a:bytes)
  let l:eol = len(l:lines) > 1 && l:lines[-1] ==# ''
  if l:eol
    call remove(l:lines, -1)
  endif
  let l:bomb = strpart(l:lines[0], 0, 3) ==# "\xef\xbb\xbf"
  if l:bomb
    let l:lines[0] = strpart(l:lines[0], 3)
  endif
  let l:ended = l:eol ? l:lines : l:lines[:-2]
  let l:dos = !empty(l:ended) && empty(filter(copy(l:ended), {_, l -> l[len(l) - 1] !=# "\r"}))
  if l:dos
    call map(l:lines, {i, l -> i < len(l:ended) ? strpart(l, 0, len(l) - 1) : l})
  endif
  let l:foreign = &encoding !=# 'utf-8' && match(l:lines, '[^\x00-\x7f]') >= 0
  let l:own = [&l:readonly, &l:modifiable]
  setlocal modifiable noreadonly
  try
    call s:Replace(l:lines)
    let &l:fileformat = l:dos ? 'dos' : 'unix'
    let &l:fileencoding = 'utf-8'
    let [&l:bomb, &l:endofline, &l:fixendofline, &l:binary] = [l:bomb, l:eol, 0, 0]
  finally
    let [&l:readonly, &l:modifiable] = l:own
  endtry
  if l:foreign
    setlocal readonly
    throw 'gitseal: the file is UTF-8 and this Vim is not: opened read-only (:set encoding=utf-8 first)'
  endif
endfunction

function! s:Replace(lines) abort
  let l:levels = &l:undolevels
  setlocal undolevels=-1
  try
    silent keepjumps keepmarks %delete _
    call setline(1, a:lines)
  finally
    let &l:undolevels = l:levels
  endtry
endfunction

" gitseal#text#Bytes returns lines of the buffer as they are to be written.
function! gitseal#text#Bytes(first, last) abort
  let l:lines = getline(a:first, a:last)
  let l:whole = a:last == line('$')
  if &encoding !=# 'utf-8'
    call map(l:lines, {_, l -> iconv(l, &encoding, 'utf-8')})
  endif
  let l:eol = !l:whole || &l:endofline || &l:fixendofline
  if &l:fileformat ==# 'mac'
    let l:lines = [join(l:lines + (l:eol ? [''] : []), "\r")]
  else
    let l:ended = len(l:lines) - (l:eol ? 0 : 1)
    if &l:fileformat ==# 'dos'
      call map(l:lines, {i, l -> i < l:ended ? l . "\r" : l})
    endif
    let l:lines += l:eol ? [''] : []
  endif
  if &l:bomb && a:first == 1
    let l:lines[0] = "\xef\xbb\xbf" . l:lines[0]
  endif
  return l:lines
endfunction
