---@meta host-sim
-- What host-sim, the example host, adds to what msys.d.lua describes; for
-- lua-language-server and other editors that read its annotations.  It is never
-- run.  tests/lua_surface compares it with host-sim.
-- luacheck: ignore, no max line length

---A policy: the table given to `msys.registerModule`.  Its functions are called at
---the phases of a session, in this order, as methods of a table of the session
---that falls back to this one.  They return `msys.core.VALIDATE_CONT` (go on) or
---`msys.core.VALIDATE_DONE` (no other module is asked in this phase).
---@class msys.module
---@field init? fun(self: msys.module) once, when the Lua state has been made
---@field validate_connect? fun(self: msys.module, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_ehlo? fun(self: msys.module, str: string, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_mailfrom? fun(self: msys.module, str: string, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_rcptto? fun(self: msys.module, msg: msys.msg, str: string, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_data? fun(self: msys.module, msg: msys.msg, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_data_spool? fun(self: msys.module, msg: msys.msg, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_data_spool_each_rcpt? fun(self: msys.module, msg: msys.msg, ac: msys.ac, vctx: msys.vctx): integer
---@field validate_set_binding? fun(self: msys.module, msg: msys.msg): integer
---@field validate_dealloc? fun(self: msys.module) for sessions that end early, too

---Registers a policy, for every session of this Lua state.
---@param name string the one of the log; each name once
---@param module msys.module
function msys.registerModule(name, module) end

---@class msys.ac
---The client's side of the connection.
---@field remote_addr string "address:port"
---@field conn_id string unique in the process

---@class msys.vctx
---What a policy decides about a session.
local vctx = {}

---A string that was kept.
---@param context integer `msys.core.VCTX_CONN`, `VCTX_MESS` or `VCTX_TRANS`
---@param key string
---@return string?
function vctx:get(context, key) end

---@param context integer
---@param key string
---@param value string
function vctx:set(context, key, value) end

---@param context integer
---@param key string
---@return boolean
function vctx:exists(context, key) end

---The reply of the phase that runs now: of an asynchronous closure that may be a later
---one, and when the session is over nobody reads it.  4xx refuses for now, 5xx for
---good, 2xx and 3xx go on.
---@param code integer 200 to 599
---@param text? string
function vctx:set_code(code, text) end

---Replies and ends the session.
---@param code integer 400 to 599
---@param text? string
function vctx:disconnect(code, text) end

---The addresses.
---@return string[]
function vctx:recipient_list() end

---Addresses are the same whatever the case of their letters.
---@param address string
---@return boolean added false: it is there already
function vctx:add_recipient(address) end

---@param address string
---@return boolean removed false: it is not there
function vctx:remove_recipient(address) end

---@class msys.msg
---A mail.
---@field id string unique in the process
local msg = {}

---The decoded values of a header; with a second argument it returns nothing, and
---replaces them by that value, or removes them when it is nil.
---@overload fun(self: msys.msg, name: string, value: string?)
---@param name string
---@return string[]
function msg:header(name) end

---The sender's address, which the argument changes.
---@param address? string
---@return string
function msg:mailfrom(address) end

---The recipient that this phase is about, else the first; the argument replaces it.
---@param address? string
---@return string
function msg:rcptto(address) end

---The decoded text parts that are not attachments, one after the other, as UTF-8.
---@param type? string only parts of this type, "text/plain"
---@return string
function msg:text(type) end

---The whole mail.
---@return string
function msg:raw() end

---The bytes of the whole mail.
---@return integer
function msg:get_message_size() end

---The leaves of the MIME tree, those of attached mails included:
---`for part in msg:parts() do`.
---@return fun(): msys.part?
function msg:parts() end

---Accepts the mail and throws it away.
function msg:discard() end

---As `vctx:get`.
---@param context integer
---@param key string
---@return string?
function msg:context_get(context, key) end

---@param context integer
---@param key string
---@param value string
function msg:context_set(context, key, value) end

---@param context integer
---@param key string
---@return boolean
function msg:context_exists(context, key) end

---@param context integer
---@param key string
---@return boolean deleted false: it was not there
function msg:context_delete(context, key) end

---@class msys.part
---A leaf of a mail's MIME tree.
---@field content_type string "text/plain"
---@field filename string?
---@field disposition string?
---@field size integer bytes of the decoded body
local part = {}

---The content with its transfer encoding undone.
---@return string
function part:body() end

---The content of a file.  In a pool the other work of the Lua state goes on
---meanwhile.
---@param path string
---@return string? content
---@return string? message
---@return integer? errno
function msys.readfile(path) end

---Runs a shell command, as msys.readfile reads.
---@param command string
---@return string? output what it wrote to its standard output
---@return integer|string status its exit status, or 128 and the number of the signal that ended it; or a message
---@return integer? errno
function msys.execute(command) end

---Opens a file, as msys.readfile reads.
---@param path string
---@param flags integer a sum of `msys.core.O_` constants
---@param mode? integer of a new file, less the umask; 438 (0666) when it is not given
---@return msys.io? handle
---@return string? message
---@return integer? errno
function msys.core.io_wrapper_open(path, flags, mode) end

---@class msys.io
---A file handle.  Calls on one take turns.  It is closed by io:close() or, when nobody
---has it any more, by the collector; it cannot be a <close> variable.
local io = {}

---@param format? integer|string a number of bytes; "l", a line; "L", one with its end; "a", the rest
---@return string? text nil at the end; empty for "a"
---@return string? message
---@return integer? errno
function io:read(format) end

---@param ... string
---@return msys.io?
---@return string? message
---@return integer? errno
function io:write(...) end

---For use in `for`.  A failure is an error.
---@param format? integer|string as of read
---@return fun(): string?
function io:lines(format) end

---@return true?
---@return string? message
---@return integer? errno
function io:close() end

---How a file is opened.
msys.core.O_RDONLY = 0
msys.core.O_WRONLY = 1
msys.core.O_RDWR = 2
msys.core.O_CREAT = 64
msys.core.O_EXCL = 128
msys.core.O_TRUNC = 512
msys.core.O_APPEND = 1024

---Where a string is kept: with the connection, the message or the transaction.
msys.core.VCTX_CONN = 1
msys.core.VCTX_MESS = 2
msys.core.VCTX_TRANS = 3
