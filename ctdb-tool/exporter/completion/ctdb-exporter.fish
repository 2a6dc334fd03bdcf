complete -c ctdb-exporter -l listen -d 'Where to listen: unix:PATH or tcp:ADDRESS:PORT; may be given more than once' -r
complete -c ctdb-exporter -l token-file -d 'Over TCP, ask for the bearer token in this file, which nobody else may read' -r -F
complete -c ctdb-exporter -l tls-cert -d 'Over TCP, speak TLS with the certificates in this file' -r -F
complete -c ctdb-exporter -l tls-key -d 'The certificate\'s private key' -r -F
complete -c ctdb-exporter -l tls-client-ca -d 'Over TLS, serve only clients with a certificate of these authorities' -r -F
complete -c ctdb-exporter -l socket -d 'The daemon\'s socket, if it is not where ctdb looks for it' -r -F
complete -c ctdb-exporter -l timeout -d 'How long the daemon may take to answer, in seconds' -r
complete -c ctdb-exporter -l textfile -d 'Write the metrics into this file, for node_exporter\'s textfile collector, and listen nowhere' -r -F
complete -c ctdb-exporter -l every -d 'Write the file again and again instead of once' -r
complete -c ctdb-exporter -s h -l help -d 'Print help'
complete -c ctdb-exporter -s V -l version -d 'Print version'
