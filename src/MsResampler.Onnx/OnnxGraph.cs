using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Onnx.Proto;
using static MsResampler.Onnx.GraphParts;

namespace MsResampler.Onnx;

/// <summary>Builds an ONNX graph node by node. Each method adds a node and returns the name of its output, which is
/// also the name of the node.</summary>
internal sealed class OnnxGraph
{
    /// <summary>The first operator set with LayerNormalization.</summary>
    private const int OperatorSetVersion = 17;

    /// <summary>The version of the file format that was released with this operator set.</summary>
    private const int FormatVersion = 8;

    /// <summary>The limit for constants within protobuf's 2 GiB. Names and nodes take far less than the remaining 16
    /// MiB.</summary>
    private const long MaxConstantBytes = (1L << 31) - (16L << 20);

    private readonly GraphProto _graph;
    private long _constantBytes;

    public OnnxGraph(string name) => _graph = new GraphProto { Name = name };

    /// <summary>Declares a float32 input. An extent is a number, or a string that names a variable extent.</summary>
    public string Input(string name, params ReadOnlySpan<object> extents)
    {
        _graph.Input.Add(Declare(name, extents));
        return name;
    }

    /// <summary>Declares <paramref name="value"/> as a float32 output and renames it.</summary>
    public void Output(string name, string value, params ReadOnlySpan<object> extents)
    {
        NodeProto producer = _graph.Node.Single(node => node.Output[0] == value);
        producer.Output[0] = name;
        _graph.Output.Add(Declare(name, extents));
    }

    public string Constant(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> extents)
        => Constant(name, TensorProto.Types.DataType.Float, MemoryMarshal.AsBytes(values), extents);

    public string Constant(string name, params ReadOnlySpan<long> values)
        => Constant(name, TensorProto.Types.DataType.Int64, MemoryMarshal.AsBytes(values), values.Length);

    public string MatMul(string name, string a, string b) => Add("MatMul", name, [a, b]);

    public string Plus(string name, string a, string b) => Add("Add", name, [a, b]);

    public string Times(string name, string a, string b) => Add("Mul", name, [a, b]);

    public string LayerNorm(string name, string x, string weight, string bias, double epsilon)
        => Add("LayerNormalization", name, [x, weight, bias], Integer("axis", -1), new AttributeProto
        {
            Name = "epsilon",
            F = (float)epsilon,
            Type = AttributeProto.Types.AttributeType.Float,
        });

    /// <summary>Subtracts from each row its mean.</summary>
    public string Centre(string name, string x)
    {
        string mean = Add("ReduceMean", name + ".mean", [x], Integers("axes", -1), Integer("keepdims", 1));
        return Add("Sub", name, [x, mean]);
    }

    public string Softmax(string name, string x, int axis)
        => Add("Softmax", name, [x], Integer("axis", axis));

    public string Concatenate(string name, IEnumerable<string> parts, int axis)
        => Add("Concat", name, parts, Integer("axis", axis));

    public string Transpose(string name, string x, params ReadOnlySpan<long> order)
        => Add("Transpose", name, [x], Integers("perm", order));

    /// <summary>Changes the shape. 0 keeps an extent, −1 stands for the remaining elements.</summary>
    public string Reshape(string name, string x, params ReadOnlySpan<long> extents)
        => Add("Reshape", name, [x, Constant(name + ".shape", extents)]);

    public string Sum(string name, string x, long axis)
        => Add("ReduceSum", name, [x, Constant(name + ".axes", axis)], Integer("keepdims", 0));

    /// <summary>x·½·(1 + erf(x/√2)), in an order of operations that runtimes recognise and fuse.</summary>
    public string Gelu(string name, string x)
    {
        string scaled = Add("Div", name + ".scaled", [x, Scalar(name + ".root2", Math.Sqrt(2))]);
        string erf = Add("Erf", name + ".erf", [scaled]);
        string shifted = Plus(name + ".shifted", erf, Scalar(name + ".one", 1));
        return Times(name, Times(name + ".twice", x, shifted), Scalar(name + ".half", 0.5));
    }

    public ModelProto ToModel(string description)
    {
        ModelProto model = new()
        {
            IrVersion = FormatVersion,
            ProducerName = "msresampler",
            ProducerVersion = typeof(OnnxGraph).Assembly.GetName().Version!.ToString(3),
            DocString = description,
            Graph = _graph,
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OperatorSetVersion });
        return model;
    }

    private string Scalar(string name, double value) => Constant(name, [(float)value], extents: []);

    private string Constant(string name, TensorProto.Types.DataType type, ReadOnlySpan<byte> bytes,
        params ReadOnlySpan<long> extents)
    {
        _constantBytes += bytes.Length;
        if (_constantBytes > MaxConstantBytes)
            ThrowTooLarge(name);
        _graph.Initializer.Add(GraphParts.Constant(name, (int)type, bytes, extents));
        return name;
    }

    private string Add(string operation, string name, IEnumerable<string> inputs,
        params ReadOnlySpan<AttributeProto> attributes)
    {
        _graph.Node.Add(Node(operation, name, inputs, attributes));
        return name;
    }

    [DoesNotReturn]
    private static void ThrowTooLarge(string name) => throw new NotSupportedException($"{name}: expected the " +
        $"constants of the graph within {MaxConstantBytes >> 20} MiB, the limit of an ONNX file, found more; " +
        "a smaller patch grid has smaller tables, but the weights have to fit");

    private static ValueInfoProto Declare(string name, ReadOnlySpan<object> extents)
        => GraphParts.Declare(name, (int)TensorProto.Types.DataType.Float, extents);
}
