" Running gitseal. system() is no way to do it: Vim's passes input and output
" through temporary files, which would put plaintext on the disk.
"
" Text goes in and out as a list of lines, as readfile(…, 'b') has it: joined with
" line feeds they are the bytes, and a line feed in an item stands for a NUL.

function! gitseal#run#Command() abort
  let l:cmd = get(g:, 'gitseal_command', 'gitseal')
  return type(l:cmd) == v:t_list ? copy(l:cmd) : [l:cmd]
endfunction

function! gitseal#run#Missing() abort
  return !executable(gitseal#run#Command()[0])
endfunction

" gitseal#run#Call runs gitseal and returns its exit code, its output (a list of
" lines), what it wrote to standard error, and the report of the contract.
function! gitseal#run#Call(args, input) abort
  let l:cmd = gitseal#run#Command() + a:args
  let l:result = has('nvim') ? s:Neovim(l:cmd, a:input) : s:Vim(l:cmd, a:input)
  let l:result.report = s:Report(l:result)
  return l:result
endfunction

" s:Report decodes the last line of standard error. What is not JSON was said before
" the program knew that it talks to an editor, or when it died.
function! s:Report(result) abort
  for l:line in reverse(split(a:result.err, "\n"))
    if l:line[0] ==# '{'
      try
        return json_decode(l:line)
      catch
        break
      endtry
    endif
  endfor
  let l:report = {'code': a:result.code}
  if a:result.code != 0
    let l:text = substitute(a:result.err, '\n\+$', '', '')
    let l:report.error = empty(l:text) ? 'gitseal ended with exit code ' . a:result.code : l:text
  endif
  return l:report
endfunction

function! s:Neovim(cmd, input) abort
  let l:result = {'code': -1, 'out': [''], 'err': ''}
  let l:options = {'stdout_buffered': v:true, 'stderr_buffered': v:true}
  function! l:options.on_stdout(id, data, event) abort closure
    let l:result.out = a:data
  endfunction
  function! l:options.on_stderr(id, data, event) abort closure
    let l:result.err = join(a:data, "\n")
  endfunction
  let l:job = jobstart(a:cmd, l:options)
  if l:job <= 0
    throw 'gitseal: cannot run ' . a:cmd[0]
  endif
  try
    if type(a:input) == v:t_list
      call chansend(l:job, a:input)
    endif
    call chanclose(l:job, 'stdin')
  catch
    " It has ended without reading; what it said is the better error.
  endtry
  let l:result.code = jobwait([l:job])[0]
  return l:result
endfunction

function! s:Vim(cmd, input) abort
  let l:options = {'in_mode': 'raw', 'out_mode': 'raw', 'err_mode': 'raw', 'in_io': type(a:input) == v:t_list ? 'pipe' : 'null'}
  let l:job = job_start(a:cmd, l:options)
  if job_status(l:job) ==# 'fail'
    throw 'gitseal: cannot run ' . a:cmd[0]
  endif
  let l:channel = job_getchannel(l:job)
  if type(a:input) == v:t_list
    try
      call ch_sendraw(l:channel, s:ToRaw(a:input))
    catch
      " It has ended without reading; what it said is the better error.
    endtry
    call ch_close_in(l:channel)
  endif
  let l:out = 0z
  let l:err = ''
  while s:Open(l:channel, 'out') || s:Open(l:channel, 'err')
    let l:piece = s:Read(l:channel, 'out', {'timeout': 20})
    if type(l:piece) == v:t_blob " else nothing has come
      let l:out += l:piece
    endif
    let l:err .= s:Read(l:channel, 'err', {'timeout': 1})
  endwhile
  while job_status(l:job) ==# 'run'
    sleep 1m
  endwhile
  return {'code': job_info(l:job).exitval, 'out': s:FromRaw(l:out), 'err': l:err}
endfunction

function! s:Open(channel, part) abort
  return ch_status(a:channel, {'part': a:part}) =~# 'open\|buffered'
endfunction

" s:Read reads what is there of a part, standard output as a blob. A channel that is
" closed between the question and the reading is at its end.
function! s:Read(channel, part, options) abort
  if !s:Open(a:channel, a:part)
    return ''
  endif
  let l:options = extend({'part': a:part}, a:options)
  try
    return a:part ==# 'out' ? ch_readblob(a:channel, l:options) : ch_readraw(a:channel, l:options)
  catch /E906:/
    return ''
  endtry
endfunction

" Vim's strings cannot hold a NUL, its blobs can.
function! s:ToRaw(lines) abort
  if match(a:lines, "\n") < 0
    return join(a:lines, "\n")
  endif
  let l:blob = 0z
  for l:i in range(len(a:lines))
    if l:i > 0
      call add(l:blob, 10)
    endif
    for l:j in range(len(a:lines[l:i]))
      let l:byte = char2nr(a:lines[l:i][l:j], 0)
      call add(l:blob, l:byte == 10 ? 0 : l:byte)
    endfor
  endfor
  return l:blob
endfunction

" s:FromRaw makes lines of bytes. A byte becomes the character of that number, which
" iconv then makes a byte again: there is no shorter way before Vim 9.1.
function! s:FromRaw(blob) abort
  let l:bytes = exists('*blob2list') ? blob2list(a:blob) : map(range(len(a:blob)), 'a:blob[v:val]')
  let l:nul = index(a:blob, 0) >= 0
  if l:nul
    call map(l:bytes, 'v:val == 0 ? 256 : v:val')
  endif
  let l:lines = split(list2str(l:bytes, 1), "\n", 1)
  if l:nul
    call map(l:lines, {_, l -> substitute(l, nr2char(256, 1), "\n", 'g')})
  endif
  return map(l:lines, {_, l -> iconv(l, 'utf-8', 'latin1')})
endfunction
