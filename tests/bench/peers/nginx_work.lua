-- What nginx's worker threads run: a module's function, in an interpreter of
-- their own.
return { add_one = function(x) return x + 1 end }
