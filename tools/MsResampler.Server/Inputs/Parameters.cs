namespace MsResampler.Server.Inputs;

/// <summary>Parameters of a request, an input or an output: names with a bool, a long, a double or a string.</summary>
internal sealed class Parameters
{
    private readonly Dictionary<string, object> _values = [];

    /// <summary>No parameters.</summary>
    public static Parameters None { get; } = new();

    /// <summary>Adds a parameter.</summary>
    public void Add(string name, object value) => _values[name] = value;

    /// <summary>The value of a parameter, or null.</summary>
    public object? Find(string name) => _values.GetValueOrDefault(name);
}
