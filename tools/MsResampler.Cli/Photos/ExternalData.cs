using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>Finds the files beside an ONNX file that hold its weights. A model of more than 2 GiB has such files, under
/// any names.</summary>
internal static class ExternalData
{
    // The types of a field in the encoding of Protocol Buffers.
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Delimited = 2;
    private const int Fixed32 = 5;
    private const int TypeBits = 3;

    /// <summary>The messages on the way from a model to the entries of a tensor's external data.</summary>
    private enum Message
    {
        Model,
        Graph,
        Node,
        Attribute,
        Function,
        SparseTensor,
        Tensor,
        Entry,
    }

    /// <summary>The names of the files, relative to the folder of the model, each once.</summary>
    /// <param name="path">An ONNX file that a runtime has loaded.</param>
    public static IReadOnlySet<string> LocationsIn(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using BinaryReader reader = new(file, Encoding.UTF8);
        HashSet<string> locations = new(StringComparer.Ordinal);
        Read(reader, file.Length, Message.Model, locations);
        return locations;
    }

    private static void Read(BinaryReader reader, long end, Message message, HashSet<string> locations)
    {
        (string key, string value) = ("", "");
        while (reader.BaseStream.Position < end)
        {
            long tag = reader.Read7BitEncodedInt64();
            int field = (int)(tag >> TypeBits);
            switch (tag & ((1 << TypeBits) - 1))
            {
                case Varint:
                    reader.Read7BitEncodedInt64();
                    break;
                case Fixed64:
                    reader.BaseStream.Position += sizeof(ulong);
                    break;
                case Fixed32:
                    reader.BaseStream.Position += sizeof(uint);
                    break;
                case Delimited:
                    long length = reader.Read7BitEncodedInt64();
                    long fieldEnd = reader.BaseStream.Position + length;
                    if (message == Message.Entry && field == 1)
                        key = Text(reader, length);
                    else if (message == Message.Entry && field == 2)
                        value = Text(reader, length);
                    else if (ChildOf(message, field) is { } child)
                        Read(reader, fieldEnd, child, locations);
                    reader.BaseStream.Position = fieldEnd;
                    break;
                default:
                    throw new InvalidDataException($"expected a field of an ONNX model, found type {tag & 7}");
            }
        }

        if (key == "location")
            locations.Add(value);
    }

    /// <summary>The message in a field, by the numbers of onnx.proto; null if no tensors are in it.</summary>
    private static Message? ChildOf(Message message, int field) => (message, field) switch
    {
        (Message.Model, 7) => Message.Graph,
        (Message.Model, 25) => Message.Function,
        (Message.Function, 7) => Message.Node,
        (Message.Graph, 1) => Message.Node,
        (Message.Graph, 5) => Message.Tensor,
        (Message.Graph, 15) => Message.SparseTensor,
        (Message.Node, 5) => Message.Attribute,
        (Message.Attribute, 5 or 10) => Message.Tensor,
        (Message.Attribute, 6 or 11) => Message.Graph,
        (Message.Attribute, 22 or 23) => Message.SparseTensor,
        (Message.SparseTensor, 1 or 2) => Message.Tensor,
        (Message.Tensor, 13) => Message.Entry,
        _ => null,
    };

    private static string Text(BinaryReader reader, long length)
        => Encoding.UTF8.GetString(reader.ReadBytes(checked((int)length)));
}
