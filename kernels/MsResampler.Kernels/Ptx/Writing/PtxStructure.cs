using System.Reflection;
using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A parameter with a structure of the host, whose fields are integers and floats of four bytes.</summary>
internal sealed class PtxStructure
{
    private readonly PtxWriter _writer;
    private readonly string _name;
    private readonly Type _type;

    /// <param name="writer">The writer.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <param name="type">The structure.</param>
    public PtxStructure(PtxWriter writer, string name, Type type)
    {
        (_writer, _name, _type) = (writer, name, type);
        FieldInfo? other = Fields.FirstOrDefault(field => field.FieldType != typeof(int)
            && field.FieldType != typeof(float));
        if (other is not null)
            throw Unexpected("fields of the types Int32 and Single", $"{other.Name} of type {other.FieldType.Name}");
    }

    private FieldInfo[] Fields
        => _type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance);

    /// <summary>Loads a field with an integer.</summary>
    /// <param name="field">Its name.</param>
    public U32 Integer(string field) => _writer.LoadInteger(_name, OffsetOf<int>(field));

    /// <summary>Loads a field with a float.</summary>
    /// <param name="field">Its name.</param>
    public F32 Float(string field) => _writer.LoadFloat(_name, OffsetOf<float>(field));

    private int OffsetOf<TField>(string field)
    {
        Type? found = Fields.FirstOrDefault(candidate => candidate.Name == field)?.FieldType;
        return found == typeof(TField) ? (int)Marshal.OffsetOf(_type, field)
            : throw Unexpected($"a field {field} of type {typeof(TField).Name}", found is null ? "none" : found.Name);
    }

    private NotSupportedException Unexpected(string expected, string found)
        => new($"{_writer.Name}, parameter {_name}: expected {expected} in {_type.Name}, found {found}.");
}
