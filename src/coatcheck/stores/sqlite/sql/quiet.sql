UPDATE coatcheck_meta SET quiet = :quiet
