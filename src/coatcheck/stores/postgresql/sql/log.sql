SELECT /*schema*/coatcheck_invalidate(:subject)
