{{- define "atoll.selector" -}}
app.kubernetes.io/name: atoll
app.kubernetes.io/instance: {{ .Values.name }}
{{- end }}

{{- define "atoll.labels" -}}
{{ include "atoll.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "atoll.headless" -}}
{{ .Values.name }}-headless
{{- end }}

{{- define "atoll.domain" -}}
{{ include "atoll.headless" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}

{{- define "atoll.secret" -}}
{{ .Values.secrets.existing | default .Values.name }}
{{- end }}

{{/* The nodes that found the region: the same list on each of them. */}}
{{- define "atoll.members" -}}
{{- range $i := until (int .Values.replicas) -}}
{{- if $i }},{{ end -}}
{{ $.Values.name }}-{{ $i }}@{{ $.Values.name }}-{{ $i }}.{{ include "atoll.domain" $ }}:4001
{{- end -}}
{{- end }}
