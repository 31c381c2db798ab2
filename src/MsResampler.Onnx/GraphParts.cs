using Google.Protobuf;
using MsResampler.Onnx.Proto;

namespace MsResampler.Onnx;

/// <summary>Makes the parts of an ONNX graph.</summary>
internal static class GraphParts
{
    /// <summary>A node with one output, which has the name of the node.</summary>
    public static NodeProto Node(string operation, string name, IEnumerable<string> inputs,
        params ReadOnlySpan<AttributeProto> attributes)
    {
        NodeProto node = new() { OpType = operation, Name = name };
        node.Input.Add(inputs);
        node.Output.Add(name);
        foreach (AttributeProto attribute in attributes)
            node.Attribute.Add(attribute);
        return node;
    }

    /// <summary>A constant.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The number of the element type in ONNX.</param>
    /// <param name="bytes">The elements, row-major, little-endian.</param>
    /// <param name="extents">The shape, outermost first.</param>
    public static TensorProto Constant(string name, int type, ReadOnlySpan<byte> bytes,
        params ReadOnlySpan<long> extents)
    {
        TensorProto tensor = new() { Name = name, DataType = type, RawData = ByteString.CopyFrom(bytes) };
        foreach (long extent in extents)
            tensor.Dims.Add(extent);
        return tensor;
    }

    /// <summary>An attribute with one integer.</summary>
    public static AttributeProto Integer(string name, long value)
        => new() { Name = name, I = value, Type = AttributeProto.Types.AttributeType.Int };

    /// <summary>An attribute with a list of integers.</summary>
    public static AttributeProto Integers(string name, params ReadOnlySpan<long> values)
    {
        AttributeProto attribute = new() { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        foreach (long value in values)
            attribute.Ints.Add(value);
        return attribute;
    }

    /// <summary>An input or output.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The number of the element type in ONNX.</param>
    /// <param name="extents">The shape. An extent is a number, or a string that names a variable extent.</param>
    public static ValueInfoProto Declare(string name, int type, params ReadOnlySpan<object> extents)
    {
        TensorShapeProto shape = new();
        foreach (object extent in extents)
            shape.Dim.Add(extent is string variable
                ? new TensorShapeProto.Types.Dimension { DimParam = variable }
                : new TensorShapeProto.Types.Dimension { DimValue = (int)extent });
        TypeProto.Types.Tensor tensor = new() { ElemType = type, Shape = shape };
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }
}
