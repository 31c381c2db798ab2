namespace PtxEmulator.Decoding;

/// <summary>One inlined call of a function, or the entry.</summary>
internal sealed class Frame
{
    private readonly Dictionary<Register, int> _registers = [];
    private readonly Dictionary<Variable, Variable> _variables = [];
    private readonly Dictionary<string, Label> _labels = [];

    public Frame(Function function, Frame? caller)
    {
        Function = function;
        Caller = caller;
        foreach (string label in function.Labels.Keys)
            _labels[label] = new Label();
    }

    public Function Function { get; }

    public Frame? Caller { get; }

    /// <summary>The target of a return.</summary>
    public Label End { get; } = new();

    public int SlotOf(Register register, CodeBuilder builder)
    {
        if (!_registers.TryGetValue(register, out int slot))
            _registers[register] = slot = builder.AllocateRegister(register);
        return slot;
    }

    /// <summary>The instance of a function's variable that belongs to this call.</summary>
    public Variable Resolve(Variable variable)
    {
        if (variable.Space != StateSpace.Local)
            return variable;
        if (!_variables.TryGetValue(variable, out Variable? own))
        {
            _variables[variable] = own = new Variable
            {
                Name = variable.Name,
                Space = variable.Space,
                Type = variable.Type,
                Alignment = variable.Alignment,
                Bytes = variable.Bytes,
            };
        }
        return own;
    }

    /// <summary>Binds a parameter to a variable of the caller.</summary>
    public void Bind(Variable parameter, Variable argument) => _variables[parameter] = argument;

    public Label? FindLabel(string name) => _labels.GetValueOrDefault(name);
}
