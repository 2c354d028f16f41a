SELECT /*schema*/coatcheck_begin_epoch()
