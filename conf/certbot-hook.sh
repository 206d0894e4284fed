#!/bin/sh
# certbot's deploy hook for cutover: copies a new certificate to where the proxy reads it. The proxy
# sees that within seconds; nothing is restarted. Install it as
#
#     /etc/letsencrypt/renewal-hooks/deploy/cutover
#
# certbot's own files are for root alone. The copies get the group of the folder they are put into,
# which is to be cutover's: install -d -m 0750 -g cutover /etc/cutover/tls
set -eu
name=${CUTOVER_NAME:-www.example.org} # EDIT: the certificate that is meant (certbot certificates)
folder=${CUTOVER_TLS:-/etc/cutover/tls}

# certbot calls every hook for every certificate that was renewed.
[ "${RENEWED_LINEAGE##*/}" = "$name" ] || exit 0

for file in privkey.pem fullchain.pem; do
    install -m 0600 "$RENEWED_LINEAGE/$file" "$folder/$file.new"
    chgrp --reference="$folder" "$folder/$file.new"
    chmod 0640 "$folder/$file.new"
done
# Both are whole by now. What lies between the two renames is too short to be seen; and if it is, the
# proxy keeps the old pair until it looks again.
mv "$folder/privkey.pem.new" "$folder/privkey.pem"
mv "$folder/fullchain.pem.new" "$folder/fullchain.pem"
