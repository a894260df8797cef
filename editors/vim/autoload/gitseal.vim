" Sealed files in buffers: b:gitseal holds what is known of one.
"   path     the sealed file        digest   what it was when it was read
"   state    plain, redacted

augroup gitseal_buffer
augroup END

" gitseal#Opened is called for each sealed file once it has been read, as it is.
function! gitseal#Opened() abort
  let l:how = get(g:, 'gitseal_open', 'plain')
  if exists('b:gitseal')
    " Read again: it is as any other file, at first.
    unlet b:gitseal
    setlocal buftype= modifiable
    autocmd! gitseal_buffer * <buffer>
  endif
  if gitseal#run#Missing()
    call s:Warn('this file is sealed, and there is no program ' . gitseal#run#Command()[0] . ' to open it')
  elseif l:how ==# 'plain'
    call gitseal#Plain()
  elseif l:how ==# 'redacted'
    call s:ShowRedacted(expand('%:p'))
  endif
endfunction

" gitseal#Plain replaces the text of the buffer by the plain file.
function! gitseal#Plain() abort
  let l:path = exists('b:gitseal') ? b:gitseal.path : expand('%:p')
  if &l:modified
    return s:Warn('the buffer has changes: write them or drop them (:edit!) first')
  endif
  if expand('%') =~# '^gitseal://'
    execute 'edit' fnameescape(l:path)
    return get(get(b:, 'gitseal', {}), 'state', '') ==# 'plain' ? 0 : gitseal#Plain()
  endif
  let l:result = gitseal#run#Call(['unseal', '--editor', '--', l:path], v:null)
  if l:result.code != 0
    call s:ShowRedacted(l:path)
    return s:Warn(s:Message(l:result.report) . ' (shown without its values)')
  endif
  call s:Protect()
  let b:gitseal = {'path': l:path, 'digest': l:result.report.digest, 'state': 'plain'}
  setlocal buftype=acwrite
  augroup gitseal_buffer
    autocmd! * <buffer>
    autocmd BufWriteCmd <buffer> call gitseal#Write(expand('<amatch>'))
    autocmd FileWriteCmd <buffer> call gitseal#WriteRange(expand('<amatch>'), '')
    autocmd FileAppendCmd <buffer> call gitseal#WriteRange(expand('<amatch>'), 'a')
    autocmd BufWipeout <buffer> call s:Release(str2nr(expand('<abuf>')))
  augroup END
  try
    call gitseal#text#Fill(l:result.out)
  finally
    if !filewritable(l:path)
      setlocal readonly
    endif
    setlocal nomodified
  endtry
  for l:warning in get(l:result.report, 'warnings', [])
    call s:Warn(l:warning)
  endfor
  silent doautocmd <nomodeline> User GitsealOpened
endfunction

" s:Protect keeps the text of the buffer off the disk. It is called while the buffer
" still holds the sealed text, so that nothing else was ever in a swap or undo file.
function! s:Protect() abort
  setlocal noswapfile noundofile nomodeline bufhidden=wipe
  " Linters that work on temporary copies, and assistants that send text away.
  let [b:ale_enabled, b:copilot_enabled, b:codeium_enabled] = [0, v:false, v:false]
  " Registers, searches and command lines hold pieces of text until the end of the
  " session, so they are not saved any more, even when the buffer is gone.
  if has('nvim')
    set shada=
  else
    set viminfo=
  endif
  " Filters get text through pipes.
  if !exists('s:shelltemp')
    let s:shelltemp = &shelltemp
  endif
  set noshelltemp
endfunction

" s:Release is called when a buffer goes; after the last one, filters work as before.
function! s:Release(going) abort
  for l:info in getbufinfo()
    if l:info.bufnr != a:going && get(get(l:info.variables, 'gitseal', {}), 'state', '') ==# 'plain'
      return
    endif
  endfor
  if exists('s:shelltemp')
    let &shelltemp = s:shelltemp
    unlet s:shelltemp
  endif
endfunction

" gitseal#Write is :w. If it fails it throws, so that :wq and :x do not go on.
function! gitseal#Write(target) abort
  if !s:IsOwn(a:target)
    return s:WriteElsewhere(a:target, gitseal#text#Bytes(1, line('$')), '')
  endif
  let l:args = ['seal', '--editor', '--path', b:gitseal.path, '--if-unchanged', v:cmdbang ? 'any' : b:gitseal.digest, '-']
  let l:result = gitseal#run#Call(l:args, gitseal#text#Bytes(1, line('$')))
  if l:result.code != 0
    if get(l:result.report, 'line', 0) > 0
      call cursor(l:result.report.line, get(l:result.report, 'column', 1))
    endif
    throw 'gitseal: not written: ' . s:Message(l:result.report)
  endif
  let b:gitseal.digest = l:result.report.digest
  setlocal nomodified
  for l:warning in get(l:result.report, 'warnings', [])
    call s:Warn(l:warning)
  endfor
  echo '"' . fnamemodify(b:gitseal.path, ':~:.') . '" ' . l:result.report.action
endfunction

" gitseal#WriteRange is :w with a range or >>.
function! gitseal#WriteRange(target, flags) abort
  if s:IsOwn(a:target)
    throw 'gitseal: not written: a part of the text cannot take the place of the sealed file'
  endif
  call s:WriteElsewhere(a:target, gitseal#text#Bytes(line("'["), line("']")), a:flags)
endfunction

function! s:IsOwn(target) abort
  return resolve(fnamemodify(a:target, ':p')) ==# resolve(b:gitseal.path)
endfunction

" s:WriteElsewhere is for :w NAME and :saveas: plaintext gets to the disk only if
" that was asked for with a bang.
function! s:WriteElsewhere(target, bytes, flags) abort
  let l:target = fnamemodify(a:target, ':p')
  if resolve(fnamemodify(expand('%'), ':p')) !=# resolve(b:gitseal.path)
    " :saveas and :file have renamed the buffer.
    execute 'silent keepalt file' fnameescape(b:gitseal.path)
  endif
  if !v:cmdbang
    throw 'gitseal: not written: ' . l:target . ' would be plaintext (add ! if you want that)'
  endif
  if !filereadable(l:target) && writefile([], l:target, 'b') != 0
    throw 'gitseal: not written: ' . l:target
  endif
  call setfperm(l:target, 'rw-------')
  if writefile(a:bytes, l:target, 'b' . a:flags) != 0
    throw 'gitseal: not written: ' . l:target
  endif
  call s:Warn(l:target . ' is plaintext')
endfunction

" gitseal#Redacted shows the file without its values in a window of its own.
function! gitseal#Redacted() abort
  let l:path = exists('b:gitseal') ? b:gitseal.path : expand('%:p')
  let l:type = &l:filetype
  new
  call s:ShowRedacted(l:path)
  setlocal buftype=nofile bufhidden=wipe
  execute 'silent! file' fnameescape('gitseal://' . l:path)
  let &l:filetype = l:type
endfunction

" s:ShowRedacted replaces the text of the buffer by the file without its values. No
" key is needed for that. If it cannot be had, the text stays as it is, sealed.
function! s:ShowRedacted(path) abort
  let l:result = gitseal#run#Call(['view', '--', a:path], v:null)
  if l:result.code == 0
    setlocal noswapfile noundofile nomodeline
    call gitseal#text#Fill(l:result.out)
  endif
  setlocal buftype=nowrite readonly nomodifiable nomodified
  let b:gitseal = {'path': a:path, 'digest': '', 'state': 'redacted'}
endfunction

" gitseal#Set asks for a value and puts it into the sealed file. Without a key it
" becomes a proposal.
function! gitseal#Set(key) abort
  let l:path = exists('b:gitseal') ? b:gitseal.path : expand('%:p')
  if &l:modified
    return s:Warn('the buffer has changes: write them first')
  endif
  call inputsave()
  let l:value = inputsecret('New value of ' . a:key . ': ')
  call inputrestore()
  if empty(l:value)
    return s:Warn('no value, nothing was changed')
  endif
  let l:result = gitseal#run#Call(['set', '--', l:path, a:key, '-'], [l:value])
  if l:result.code != 0
    return s:Warn(s:Message(l:result.report))
  endif
  if get(get(b:, 'gitseal', {}), 'state', '') ==# 'redacted'
    call s:ShowRedacted(l:path)
  elseif exists('b:gitseal')
    call gitseal#Plain()
  else
    edit
  endif
  redraw
  echo join(split(l:result.err, "\n"), '; ')
endfunction

function! s:Message(report) abort
  let l:text = get(a:report, 'error', '')
  return has_key(a:report, 'hint') ? l:text . '; hint: ' . a:report.hint : l:text
endfunction

function! s:Warn(text) abort
  echohl WarningMsg
  for l:line in split(a:text, "\n")
    echomsg (l:line =~# '^gitseal: ' ? '' : 'gitseal: ') . l:line
  endfor
  echohl None
endfunction
