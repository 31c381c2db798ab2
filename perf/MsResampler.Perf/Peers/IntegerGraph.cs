using System.Runtime.InteropServices;
using MsResampler.Onnx;
using MsResampler.Onnx.Proto;
using static MsResampler.Onnx.GraphParts;
using DataType = MsResampler.Onnx.Proto.TensorProto.Types.DataType;

namespace MsResampler.Perf.Peers;

/// <summary>Replaces the products with weights in an exported graph by products of 8-bit integers. The weights are
/// symmetric with one scale per output channel; the activations are unsigned with a zero point and one scale per
/// tensor, which is all that ONNX Runtime supports. The second layer of the gate stays in float32, as in the
/// engine.</summary>
/// <param name="model">The exported graph. It is changed.</param>
internal sealed class IntegerGraph(ModelProto model)
{
    private const int Level = 127;
    private const int ActivationLevels = 255;
    private const string GateOutput = "gate.fc2";

    /// <summary>Types of ONNX that the exporter does not use.</summary>
    private const int Unsigned8 = 2;
    private const int Signed8 = 3;

    private readonly Dictionary<string, TensorProto> _constants =
        model.Graph.Initializer.ToDictionary(tensor => tensor.Name);
    private readonly Dictionary<string, NodeProto> _producers = model.Graph.Node.ToDictionary(node => node.Output[0]);
    private readonly Dictionary<string, string[]> _activations = [];
    private readonly List<NodeProto> _nodes = [];
    private readonly HashSet<string> _replaced = [];
    private IReadOnlyDictionary<string, (float Min, float Max)>? _ranges;

    /// <summary>The tensors that are multiplied by weights.</summary>
    public IReadOnlyList<string> Inputs
        => [.. model.Graph.Node.Select(ProductOf).OfType<Product>().Select(product => product.Input).Distinct()];

    /// <summary>A product with a constant matrix.</summary>
    /// <param name="Input">The activations, [B, rows, K].</param>
    /// <param name="Weight">The matrix.</param>
    /// <param name="IsLeft">Whether the matrix is the left operand, [N, K], and the result is transposed;
    /// otherwise it is [K, N].</param>
    private sealed record Product(string Input, TensorProto Weight, bool IsLeft);

    /// <summary>Products whose activations are quantised at run time: DynamicQuantizeLinear and
    /// MatMulInteger.</summary>
    public ModelProto Dynamic() => Rewrite();

    /// <summary>Products between QuantizeLinear and DequantizeLinear, with scales from measured ranges.</summary>
    /// <param name="ranges">For each of <see cref="Inputs"/>, its smallest and its largest value.</param>
    public ModelProto Static(IReadOnlyDictionary<string, (float Min, float Max)> ranges)
    {
        _ranges = ranges;
        return Rewrite();
    }

    private ModelProto Rewrite()
    {
        foreach (NodeProto node in model.Graph.Node)
        {
            if (_replaced.Contains(node.Output[0]))
                continue;
            if (ProductOf(node) is not { } product)
                _nodes.Add(node);
            else if (product.IsLeft)
                AddTransposed(node, product);
            else
                AddProduct(node.Output[0], product);
        }

        model.Graph.Node.Clear();
        model.Graph.Node.Add(_nodes);
        foreach (string name in _replaced)
            if (_constants.Remove(name, out TensorProto? constant))
                model.Graph.Initializer.Remove(constant);
        return model;
    }

    private Product? ProductOf(NodeProto node)
    {
        if (node.OpType != "MatMul" || node.Name == GateOutput)
            return null;
        if (_constants.TryGetValue(node.Input[1], out TensorProto? right) && right.Dims.Count == 2)
            return new Product(node.Input[0], right, IsLeft: false);
        // Keys are W·ZKᵀ in the exported graph.
        return _constants.TryGetValue(node.Input[0], out TensorProto? left) && left.Dims.Count == 2
            ? new Product(_producers[node.Input[1]].Input[0], left, IsLeft: true) : null;
    }

    /// <summary>Keys: ZK·Wᵀ, because the integer kernels need the weights on the right. The heads are split like those
    /// of the values, and the last transposition is fused into the product with the queries.</summary>
    private void AddTransposed(NodeProto node, Product product)
    {
        string name = node.Output[0];
        NodeProto heads = model.Graph.Node.Single(other => other.Input.Count > 0 && other.Input[0] == name);
        long[] shape = MemoryMarshal.Cast<byte, long>(_constants[heads.Input[1]].RawData.Span).ToArray();
        _replaced.Add(heads.Output[0]);
        AddProduct(name, product);
        string split = Add("Reshape", name + ".split",
            [name, Constant(name + ".split.shape", (int)DataType.Int64, [0L, shape[3], shape[1], shape[2]], 4)]);
        string byHead = Add("Transpose", name + ".by_head", [split], Integers("perm", 0, 2, 1, 3));
        Add("Transpose", heads.Output[0], [byHead], Integers("perm", 0, 1, 3, 2));
    }

    private void AddProduct(string name, Product product)
    {
        (int inner, int columns) = product.IsLeft ? ((int)product.Weight.Dims[1], (int)product.Weight.Dims[0])
            : ((int)product.Weight.Dims[0], (int)product.Weight.Dims[1]);
        (sbyte[] values, float[] scales) = Quantise(product, inner, columns);
        _replaced.Add(product.Weight.Name);
        string weight = Constant(name + ".weight.integer", Signed8, values, inner, columns);
        string scale = Constant(name + ".weight.scale", (int)DataType.Float, scales, columns);
        if (_ranges is null)
        {
            string[] input = _activations.TryGetValue(product.Input, out string[]? known) ? known
                : _activations[product.Input] = AddDynamic(product.Input);
            string sum = Add("MatMulInteger", name + ".integer", [input[0], weight, input[2]]);
            string cast = Add("Cast", name + ".cast", [sum], Integer("to", (long)DataType.Float));
            Add("Mul", name, [cast, Add("Mul", name + ".scale", [input[1], scale])]);
            return;
        }

        string activation = (_activations.TryGetValue(product.Input, out string[]? other) ? other
            : _activations[product.Input] = [AddStatic(product.Input, _ranges[product.Input])])[0];
        string zero = Constant(name + ".weight.zero", Signed8, new sbyte[columns], columns);
        Add("MatMul", name, [activation,
            Add("DequantizeLinear", name + ".weight.real", [weight, scale, zero], Integer("axis", 1))]);
    }

    private string[] AddDynamic(string input)
    {
        NodeProto node = new() { OpType = "DynamicQuantizeLinear", Name = input + ".quantised" };
        node.Input.Add(input);
        string[] outputs = [input + ".integer", input + ".scale", input + ".zero"];
        node.Output.Add(outputs);
        _nodes.Add(node);
        return outputs;
    }

    private string AddStatic(string input, (float Min, float Max) range)
    {
        // The range contains 0, so that 0 is exact.
        float low = Math.Min(range.Min, 0);
        float step = (Math.Max(range.Max, 0) - low) / ActivationLevels;
        string scale = Constant(input + ".scale", (int)DataType.Float, [step]);
        string zero = Constant(input + ".zero", Unsigned8, [(byte)Math.Round(-low / step)]);
        string integer = Add("QuantizeLinear", input + ".integer", [input, scale, zero]);
        return Add("DequantizeLinear", input + ".real", [integer, scale, zero]);
    }

    /// <summary>The weights as integers [K, N], and the scale of each column.</summary>
    private static (sbyte[] Values, float[] Scales) Quantise(Product product, int inner, int columns)
    {
        ReadOnlySpan<float> weight = MemoryMarshal.Cast<byte, float>(product.Weight.RawData.Span);
        (int rowStep, int columnStep) = product.IsLeft ? (1, inner) : (columns, 1);
        sbyte[] values = new sbyte[weight.Length];
        float[] scales = new float[columns];
        for (int column = 0; column < columns; column++)
        {
            float largest = 0;
            for (int k = 0; k < inner; k++)
                largest = Math.Max(largest, Math.Abs(weight[(k * rowStep) + (column * columnStep)]));
            scales[column] = largest == 0 ? 1 : largest / Level;
            for (int k = 0; k < inner; k++)
                values[(k * columns) + column] =
                    (sbyte)Math.Round(weight[(k * rowStep) + (column * columnStep)] / scales[column]);
        }

        return (values, scales);
    }

    private string Constant<T>(string name, int type, T[] values, params ReadOnlySpan<long> extents)
        where T : unmanaged
    {
        model.Graph.Initializer.Add(GraphParts.Constant(name, type, MemoryMarshal.AsBytes<T>(values), extents));
        return name;
    }

    private string Add(string operation, string name, string[] inputs, params AttributeProto[] attributes)
    {
        _nodes.Add(GraphParts.Node(operation, name, inputs, attributes));
        return name;
    }
}
