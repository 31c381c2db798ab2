using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>Parameters of a request, an input or an output: names with a bool, a long, a double or a string.</summary>
internal sealed class Parameters
{
    private const int LargestCount = 256;

    private readonly Dictionary<string, object> _values = [];

    /// <summary>No parameters.</summary>
    public static Parameters None { get; } = new();

    /// <summary>Adds a parameter. A value of another type is one that the protocol does not know: it is an error only
    /// if the server reads the parameter.</summary>
    /// <exception cref="ServerException">The parameter is there already, or there are too many.</exception>
    public void Add(string name, object value)
    {
        if (_values.Count == LargestCount)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                $"parameters: expected at most {LargestCount}, found more");
        }

        if (!_values.TryAdd(name, value))
            throw new ServerException(ErrorKind.InvalidRequest, $"parameters: {Quoted.Of(name)} appears twice");
    }

    /// <summary>The value of a parameter, or null.</summary>
    public object? Find(string name) => _values.GetValueOrDefault(name);

    /// <summary>The value of a parameter, or null if it is absent.</summary>
    /// <exception cref="ServerException">It is not a bool.</exception>
    public bool? FindBool(string name) => Find(name) is not { } value ? null
        : value as bool? ?? throw WrongType(name, "a bool", value);

    /// <summary>The value of a parameter, or null if it is absent.</summary>
    /// <exception cref="ServerException">It is not an integer.</exception>
    public long? FindInteger(string name) => Find(name) is not { } value ? null
        : value as long? ?? throw WrongType(name, "an integer", value);

    /// <summary>The value of a parameter, or null if it is absent.</summary>
    /// <exception cref="ServerException">It is not a string.</exception>
    public string? FindString(string name) => Find(name) is not { } value ? null
        : value as string ?? throw WrongType(name, "a string", value);

    private static ServerException WrongType(string name, string expected, object value)
    {
        string found = value switch
        {
            bool flag => flag ? "true" : "false",
            string text => Quoted.Of(text),
            long or ulong or double => FormattableString.Invariant($"{value}"),
            _ => "another kind of value",
        };
        return new ServerException(ErrorKind.InvalidRequest,
            $"parameter '{name}': expected {expected}, found {found}");
    }
}
