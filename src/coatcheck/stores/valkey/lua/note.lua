-- a subject
note(ARGV[3])
return 1
