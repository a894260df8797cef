" Sealed files in buffers: b:gitseal holds what is known of one.
"   path     the sealed file        digest   what it was when it was read
"   state    plain, redacted
"   own      'readonly' and 'modifiable' as they were before it was redacted

augroup gitseal_buffer
augroup END

" gitseal#Opened is called for each sealed file once it has been read, as it is.
function! gitseal#Opened() abort
  let l:how = get(g:, 'gitseal_open', 'plain')
  call gitseal#Reset()
  if gitseal#run#Missing()
    call s:Warn('this file is sealed, and there is no program ' . gitseal#run#Command()[0] . ' to open it')
  elseif l:how ==# 'plain'
    call gitseal#Plain()
  elseif l:how ==# 'redacted'
    call s:ShowRedacted(expand('%:p'))
  endif
endfunction

" gitseal#Reset is called when a buffer was read again: it is as any other file, at
" first. After :bdelete only the autocommands are left of what it was.
function! gitseal#Reset() abort
  if exists('b:gitseal')
    let &l:modifiable = get(b:gitseal, 'own', [0, &l:modifiable])[1]
    unlet b:gitseal
    setlocal buftype=
  endif
  autocmd! gitseal_buffer * <buffer>
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
  if has_key(get(b:, 'gitseal', {}), 'own')
    let [&l:readonly, &l:modifiable] = b:gitseal.own
  endif
  let b:gitseal = {'path': l:path, 'digest': l:result.report.digest, 'state': 'plain'}
  setlocal buftype=acwrite
  augroup gitseal_buffer
    autocmd! * <buffer>
    autocmd BufWriteCmd <buffer> call gitseal#Write(expand('<amatch>'))
    autocmd FileWriteCmd <buffer> call gitseal#WriteRange(expand('<amatch>'), '')
    autocmd FileAppendCmd <buffer> call gitseal#WriteRange(expand('<amatch>'), 'a')
    " Not BufDelete: 'nobuflisted' triggers that, too, and the text stays.
    autocmd BufUnload,BufWipeout <buffer> call s:Release(str2nr(expand('<abuf>')))
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
  " Not bufhidden=wipe: :hide and :Explore would drop changes without a word.
  setlocal noswapfile noundofile nomodeline bufhidden=hide
  " Linters that work on temporary copies, and assistants that send text away.
  let [b:ale_enabled, b:copilot_enabled, b:codeium_enabled] = [0, v:false, v:false]
  " Registers, searches and command lines hold pieces of text until the end of the
  " session, so they are not saved any more, even when the buffer is gone.
  if has('nvim')
    set shada=
  else
    set viminfo=
  endif
  " Filters get text through pipes, and no other program compares it: that would be
  " by way of temporary files, and so it would if there is a 'diffexpr'.
  if !exists('s:saved')
    let s:saved = {'shelltemp': &shelltemp}
    if has('diff')
      let s:saved.diffexpr = &diffexpr
      let s:saved.internal = &diffopt =~# '\<internal\>'
    endif
  endif
  set noshelltemp
  if has('diff')
    set diffexpr= diffopt+=internal
  endif
endfunction

" s:Release is called when the text of a buffer goes; after the last one, filters and
" diffs work as before.
function! s:Release(going) abort
  for l:info in getbufinfo()
    if l:info.bufnr != a:going && l:info.loaded && get(get(l:info.variables, 'gitseal', {}), 'state', '') ==# 'plain'
      return
    endif
  endfor
  if exists('s:saved')
    let &shelltemp = s:saved.shelltemp
    if has_key(s:saved, 'diffexpr')
      let &diffexpr = s:saved.diffexpr
      if !s:saved.internal
        set diffopt-=internal
      endif
    endif
    unlet s:saved
  endif
endfunction

" gitseal#Write is :w. If it fails it throws, so that :wq and :x do not go on.
function! gitseal#Write(target) abort
  if !s:IsOwn(a:target)
    return s:WriteElsewhere(a:target, gitseal#text#Bytes(1, line('$')), '')
  endif
  " There is nothing to write over if the file is gone: it is sealed as its rule says.
  let l:gone = empty(getftype(resolve(b:gitseal.path)))
  let l:expected = !v:cmdbang ? b:gitseal.digest : l:gone ? 'none' : 'any'
  let l:args = ['seal', '--editor', '--path', b:gitseal.path, '--if-unchanged', l:expected, '-']
  let l:result = gitseal#run#Call(l:args, gitseal#text#Bytes(1, line('$')))
  if l:result.code != 0
    if get(l:result.report, 'line', 0) > 0
      call cursor(l:result.report.line, get(l:result.report, 'column', 1))
    endif
    if l:gone && l:expected ==# b:gitseal.digest
      let l:result.report.hint = ':w! seals it anew'
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
  let l:own = get(get(b:, 'gitseal', {}), 'own', [&l:readonly, &l:modifiable])
  let l:result = gitseal#run#Call(['view', '--', a:path], v:null)
  if l:result.code == 0
    setlocal noswapfile noundofile nomodeline
    call gitseal#text#Fill(l:result.out)
  endif
  setlocal buftype=nowrite readonly nomodifiable nomodified
  let b:gitseal = {'path': a:path, 'digest': '', 'state': 'redacted', 'own': l:own}
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
