-- The messages that host-sim replays, and the maker of the big ones.
--
-- host-sim/corpus/*.eml, kept byte for byte (see .gitattributes):
--   plain-*       ordinary mail          headers-*  what a header may hold
--   alternative*  text and HTML          body-*     charsets, encodings, lines
--   attachment-*  files and their names  lines-*    ends of lines
--   nested-*      mails in mails         broken-*   MIME that is wrong
--   report-*      bounces and such       parts-*    many, empty, partial
--   signed-*, encrypted-*, calendar-*    as their names say
-- build/host-sim/corpus/*.eml, written by this script when host-sim is built:
--   big-attachment-64k.eml, -256k, -1m   one base64 attachment of that size
--   big-single-line.eml                  1 MiB of text without a line end
--   big-500-parts.eml                    500 small parts, 100 of them files
--
-- Usage: lua5.4 generate.lua OUTDIR.  The folder must exist.  Each run writes
-- the same bytes.  All people are made up; all domains are example domains.

local out_dir = arg[1]
if not out_dir or arg[2] then
  io.stderr:write("usage: lua5.4 generate.lua OUTDIR\n")
  os.exit(2)
end

-- xorshift64*, so that the bytes do not depend on this Lua's math.random.
local function noise(seed, size)
  local x, words = seed, {}
  for i = 1, (size + 7) // 8 do
    x = x ~ x >> 12
    x = x ~ x << 25
    x = x ~ x >> 27
    words[i] = string.pack("<i8", x * 0x2545F4914F6CDD1D)
  end
  return table.concat(words):sub(1, size)
end

local alphabet =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local digit = {}
for i = 0, 63 do
  digit[i] = alphabet:sub(i + 1, i + 1)
end

-- In lines of 76 characters, each of 57 bytes.
local function base64(data)
  local lines, quads = {}, {}
  for line_at = 1, #data, 57 do
    local n = 0
    for at = line_at, math.min(line_at + 56, #data), 3 do
      local a, b, c = data:byte(at, at + 2)
      local bits = a << 16 | (b or 0) << 8 | (c or 0)
      n = n + 1
      quads[n] = digit[bits >> 18] .. digit[bits >> 12 & 63]
        .. (b and digit[bits >> 6 & 63] or "=")
        .. (c and digit[bits & 63] or "=")
    end
    lines[#lines + 1] = table.concat(quads, "", 1, n)
  end
  return table.concat(lines, "\n")
end

local function write(name, ...)
  local path = out_dir .. "/" .. name .. ".eml"
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(...))
end

-- The header fields, up to the empty line that ends them.
local function header(name, subject, content_type)
  return ("From: Archive <archive@example.net>\n"
    .. "To: Tomas Bek <tomas.bek@example.com>\n"
    .. "Subject: %s\n"
    .. "Date: Tue, 25 Jun 2024 04:00:00 +0000\n"
    .. "Message-ID: <%s@example.net>\n"
    .. "MIME-Version: 1.0\n"
    .. "Content-Type: %s\n\n"):format(subject, name, content_type)
end

local function attachment(name, size)
  write(name,
    header(name, "A file of " .. size // 1024 .. " KiB",
      "multipart/mixed; boundary=big"),
    "--big\nContent-Type: text/plain\n\nThe file is attached.\n",
    "--big\nContent-Type: application/octet-stream; name=archive.bin\n",
    "Content-Disposition: attachment; filename=archive.bin\n",
    "Content-Transfer-Encoding: base64\n\n",
    base64(noise(size, size)), "\n--big--\n")
end

local function single_line(name, size)
  local sentence = "The tide comes in and goes out and nobody ends the line; "
  write(name,
    header(name, "One line of 1 MiB", "text/plain; charset=us-ascii"),
    sentence:rep(size // #sentence + 1):sub(1, size), "\n")
end

local function many_parts(name, count)
  local parts = {}
  for i = 1, count do
    local disposition = i % 5 ~= 0 and ""
      or ("Content-Disposition: attachment; filename=page%03d.txt\n"):format(i)
    parts[i] = ("--page\nContent-Type: text/plain\n%s\npage %d of %d\n")
      :format(disposition, i, count)
  end
  write(name,
    header(name, count .. " parts", "multipart/mixed; boundary=page"),
    table.concat(parts), "--page--\n")
end

attachment("big-attachment-64k", 64 << 10)
attachment("big-attachment-256k", 256 << 10)
attachment("big-attachment-1m", 1 << 20)
single_line("big-single-line", 1 << 20)
many_parts("big-500-parts", 500)
