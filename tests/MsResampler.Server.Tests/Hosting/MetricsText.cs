using System.Globalization;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Metrics in the text format of Prometheus.</summary>
internal sealed class MetricsText(string text)
{
    private readonly Dictionary<string, double> _values = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(line => line[0] != '#').ToDictionary(line => line[..line.LastIndexOf(' ')],
            line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    /// <summary>All series: a name, with labels if it has some.</summary>
    public IReadOnlyCollection<string> Series => _values.Keys;

    /// <summary>The value of a series without labels.</summary>
    public double this[string name] => _values[name];

    /// <summary>The value of a series of a model.</summary>
    public double Of(string name, string model, string more = "")
        => _values[$"{name}{{model=\"{model}\",version=\"1\"{more}}}"];
}
