using System.Text.Json;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>The fields of one JSON object. A method that reads a field records a problem (field, expected, found) if
/// the field is invalid, and returns a valid value in its place. Fields that no method read are reported as
/// unknown.</summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> _values = [];
    private readonly HashSet<string> _known = [];
    private readonly string _path;
    private readonly List<string> _problems;
    private readonly ICollection<string> _warnings;

    /// <param name="element">The JSON object.</param>
    /// <param name="path">The path of the object in the file; empty for the root.</param>
    /// <param name="problems">Receives one sentence per problem.</param>
    /// <param name="warnings">Receives one sentence per unknown field.</param>
    public JsonFields(JsonElement element, string path, List<string> problems, ICollection<string> warnings)
    {
        _path = path;
        _problems = problems;
        _warnings = warnings;
        if (element.ValueKind != JsonValueKind.Object)
            _problems.Add($"{(path.Length == 0 ? "the root" : $"field '{path}'")}: expected an object, " +
                $"found {Found(element)}");
        else
            foreach (JsonProperty property in element.EnumerateObject())
                _values.Add(property.Name, property.Value);
    }

    /// <summary>The names of all fields.</summary>
    public IEnumerable<string> Names => _values.Keys;

    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>Whether the field exists and is not null.</summary>
    public bool HasValue(string name)
        => _values.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether the field is true or false.</summary>
    public bool HasFlag(string name) => _values.TryGetValue(name, out JsonElement value) && IsFlag(value);

    /// <summary>Whether the field is an object.</summary>
    public bool HasObject(string name)
        => _values.TryGetValue(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object;

    /// <summary>Marks fields as known.</summary>
    public void Known(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            _known.Add(name);
    }

    /// <summary>Adds a warning for every field that is not known.</summary>
    public void WarnOfUnknown()
    {
        foreach (string name in _values.Keys.Where(name => !_known.Contains(name)))
            _warnings.Add($"unknown field {Quote(Path(name))} was ignored");
    }

    public void Problem(string name, string expected, string found)
        => _problems.Add($"field '{Path(name)}': expected {expected}, found {found}");

    public int Extent(string name, int max, int fallback = 1) => Find(name, $"a whole number from 1 to {max}",
        out JsonElement value, v => IsExtent(v, max)) ? value.GetInt32() : fallback;

    public int[] Extents(string name, int count, int max)
        => Find(name, $"{count} whole numbers from 1 to {max}", out JsonElement value,
            v => v.ValueKind == JsonValueKind.Array && v.GetArrayLength() == count
                && v.EnumerateArray().All(item => IsExtent(item, max)))
            ? [.. value.EnumerateArray().Select(item => item.GetInt32())]
            : [.. Enumerable.Repeat(1, count)];

    public double Positive(string name)
        => Find(name, "a positive number", out JsonElement value, IsPositive) ? value.GetDouble() : 1;

    public AxisPair PositivePair(string name)
        => Find(name, "2 positive numbers", out JsonElement value,
            v => v.ValueKind == JsonValueKind.Array && v.GetArrayLength() == 2 && v.EnumerateArray().All(IsPositive))
            ? new AxisPair(value[0].GetDouble(), value[1].GetDouble()) : new AxisPair(1, 1);

    /// <summary>Finite numbers that are accepted by <paramref name="isValid"/>.</summary>
    public double[] Numbers(string name, int count, string expected, Predicate<double> isValid)
        => Find(name, expected, out JsonElement value, v => v.ValueKind == JsonValueKind.Array
            && v.GetArrayLength() == count && v.EnumerateArray().All(item => IsNumber(item, isValid)))
            ? [.. value.EnumerateArray().Select(item => item.GetDouble())] : [.. Enumerable.Repeat(1.0, count)];

    /// <summary>A whole number.</summary>
    public int Whole(string name, int min, int max)
        => Find(name, $"a whole number from {min} to {max}", out JsonElement value,
            v => v.ValueKind == JsonValueKind.Number && v.TryGetInt32(out int number) && number >= min && number <= max)
            ? value.GetInt32() : min;

    public bool Flag(string name) => Find(name, "true or false", out JsonElement value,
        IsFlag) && value.GetBoolean();

    public string Text(string name) => Find(name, "a non-empty string", out JsonElement value,
        v => v.ValueKind == JsonValueKind.String && v.GetString()!.Length > 0) ? value.GetString()! : "";

    public T Choice<T>(string name, params (string Name, T Value)[] choices)
    {
        // Little code depends on T, because it is compiled for each enumeration when the first model is opened.
        string[] names = new string[choices.Length];
        for (int index = 0; index < names.Length; index++)
            names[index] = choices[index].Name;
        return choices[Choice(name, names)].Value;
    }

    public JsonFields? Object(string name, bool isRequired = true)
    {
        Known(name);
        if (!isRequired && !Has(name))
            return null;
        return Find(name, "an object", out JsonElement value, v => v.ValueKind == JsonValueKind.Object)
            ? new JsonFields(value, Path(name), _problems, _warnings) : null;
    }

    /// <summary>The objects of an array. Those beyond the largest number are one problem and are not read.</summary>
    public IEnumerable<JsonFields> Array(string name, int maxCount, string items)
    {
        if (!Find(name, "a non-empty array", out JsonElement value,
            v => v.ValueKind == JsonValueKind.Array && v.GetArrayLength() > 0))
            return [];
        if (value.GetArrayLength() > maxCount)
            Problem(name, $"at most {maxCount} {items}", $"{value.GetArrayLength()}");
        return [.. value.EnumerateArray().Take(maxCount).Select((item, index) =>
            new JsonFields(item, $"{Path(name)}[{index}]", _problems, _warnings))];
    }

    private bool Find(string name, string expected, out JsonElement value, Func<JsonElement, bool> isValid)
    {
        _known.Add(name);
        if (!_values.TryGetValue(name, out value))
            Problem(name, expected, "nothing");
        else if (!isValid(value))
            Problem(name, expected, Found(value));
        else
            return true;
        return false;
    }

    /// <summary>The index of the field's text among the choices; 0 if it is none of them.</summary>
    private int Choice(string name, string[] choices)
    {
        string[] quoted = [.. choices.Select(choice => $"\"{choice}\"")];
        string expected = choices.Length == 1 ? quoted[0] : "one of " + string.Join(", ", quoted);
        return Find(name, expected, out JsonElement value, v => IndexOf(choices, v) >= 0) ? IndexOf(choices, value) : 0;
    }

    private static int IndexOf(string[] choices, JsonElement value)
        => value.ValueKind == JsonValueKind.String ? System.Array.IndexOf(choices, value.GetString()) : -1;

    private static bool IsExtent(JsonElement value, int max)
        => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 1 && number <= max;

    private static bool IsFlag(JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False;

    private static bool IsNumber(JsonElement value, Predicate<double> isValid)
        => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && double.IsFinite(number) && isValid(number);

    private static bool IsPositive(JsonElement value) => value.ValueKind == JsonValueKind.Number
        && value.TryGetDouble(out double number) && number > 0 && double.IsFinite(number);

    private static string Found(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..57] + "...";
    }

    private string Path(string name) => _path.Length == 0 ? name : $"{_path}.{name}";
}
