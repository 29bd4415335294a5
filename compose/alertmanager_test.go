package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// render makes the configuration that Alertmanager would start on.
func render(t *testing.T, environment ...string) (directory, configuration string) {
	t.Helper()
	directory = filepath.Join(t.TempDir(), "rendered")
	unset := []string{"SLACK_WEBHOOK_URL=", "PAGERDUTY_ROUTING_KEY=", "ALERT_WEBHOOK_URL="}
	run(t, append(append(unset, environment...), "RENDER_DIR="+directory), "alertmanager/start", "--render")
	content, err := os.ReadFile(filepath.Join(directory, "alertmanager.yml"))
	require.NoError(t, err)
	run(t, nil, "amtool", "check-config", filepath.Join(directory, "alertmanager.yml"))
	return directory, string(content)
}

func TestAlertmanagerTakesTheConfigurationAsItStands(t *testing.T) {
	run(t, nil, "amtool", "check-config", "alertmanager/alertmanager.yml")
}

func TestReceiversAreThoseThatTheEnvironmentNames(t *testing.T) {
	const slack, pagerDuty, webhook = "slack_configs", "pagerduty_configs", "webhook_configs"
	for name, c := range map[string]struct {
		environment []string
		kept        []string
		secrets     map[string]string
	}{
		"none":      {nil, nil, nil},
		"slack":     {[]string{"SLACK_WEBHOOK_URL=https://hooks.slack.invalid/T/B"}, []string{slack}, map[string]string{"SLACK_WEBHOOK_URL": "https://hooks.slack.invalid/T/B"}},
		"pagerduty": {[]string{"PAGERDUTY_ROUTING_KEY=k3y"}, []string{pagerDuty}, map[string]string{"PAGERDUTY_ROUTING_KEY": "k3y"}},
		"all": {
			[]string{"SLACK_WEBHOOK_URL=https://a.invalid", "PAGERDUTY_ROUTING_KEY=r0uting", "ALERT_WEBHOOK_URL=http://c.invalid/x?y=1&z='2|3\\4"},
			[]string{slack, pagerDuty, webhook},
			map[string]string{"SLACK_WEBHOOK_URL": "https://a.invalid", "PAGERDUTY_ROUTING_KEY": "r0uting"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory, configuration := render(t, c.environment...)
			for _, kind := range []string{slack, pagerDuty, webhook} {
				kept := strings.Contains(strings.Join(c.kept, " "), kind)
				require.Equal(t, kept, strings.Contains(configuration, kind), kind)
			}
			for file, secret := range c.secrets {
				path := filepath.Join(directory, "secrets", file)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, secret, string(content))
				require.NotContains(t, configuration, secret)
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.EqualValues(t, 0o600, info.Mode().Perm())
			}
		})
	}
	_, configuration := render(t, "ALERT_WEBHOOK_URL=http://c.invalid/x?y=1&z='2|3\\4")
	require.Contains(t, configuration, `url: 'http://c.invalid/x?y=1&z=''2|3\4'`, "whatever the address holds")
}

func TestAlertsAreRoutedBySeverity(t *testing.T) {
	for severity, receiver := range map[string]string{"critical": "page", "warning": "team", "info": "watch"} {
		out := run(t, nil, "amtool", "config", "routes", "test", "--config.file=alertmanager/alertmanager.yml", "alertname=Any", "severity="+severity)
		require.Contains(t, strings.Split(out, "\n"), receiver, severity)
	}
	for _, alert := range alerts(t) {
		require.Contains(t, []string{"critical", "warning", "info"}, alert.Labels["severity"], alert.Alert)
	}
}
